"""The country of a number, by its calling code."""

import polars as pl
import pytest

from streams.alerts.judging.countries import NO_COUNTRY, countries


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+4915112345678", 49), ("004915112345678", 49), ("tel:+49-151-12345;ext=17", 49), ("12125551234", 1),
        ("+1 876 555 1234", 1876), ("+19005551234", 1900), ("+22507123456", 225), ("+8829912345", 882), ("+74951234567", 7),
        ("+44", 44), ("+2", NO_COUNTRY), ("anonymous", NO_COUNTRY), ("", NO_COUNTRY), (None, NO_COUNTRY),
    ],
)  # fmt: skip
def test_the_country_of_a_number(number: str | None, country: int) -> None:
    assert countries(pl.Series([number], dtype=pl.String)).tolist() == [country]
