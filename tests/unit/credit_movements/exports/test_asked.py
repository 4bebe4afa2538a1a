"""What the exporter would refuse is refused before anything is sent, by the option's name."""

import re
from typing import Any

import pytest

from credit_movements.exports.asked import BadOptionError, check_asked, digest_of

DAY = 24 * 3600 * 1_000_000
NOW = 20_000 * DAY


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"format": "pdf"}, "--format pdf: there is no such choice; "),
        ({"columns": "all"}, "--columns all: there is no such choice; "),
        ({"descriptions": ","}, "--descriptions ,: there is no such choice; "),
        (
            {"format": "xlsx", "compression": "gzip"},
            "--compression gzip: there is no such choice, or does not go with --format xlsx; ",
        ),
        ({"csv_encoding": "latin-1"}, "--csv-encoding latin-1: there is no such choice; "),
        ({"period_from": NOW + DAY}, "--period-from, --period-to: a period begins before it ends, and before now"),
        ({"period_from": NOW - DAY, "period_to": NOW - 2 * DAY}, "--period-from, --period-to: "),
        ({"period_from": NOW - 400 * DAY}, "at most 13 months"),
    ],
)
def test_a_wrong_option_is_named(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(BadOptionError, match=re.escape(says)):
        check_asked(asked, None, NOW)


def test_what_the_exporter_takes_passes() -> None:
    check_asked({"format": "xlsx", "columns": "detailed", "period_from": NOW - DAY}, "Europe/Berlin", NOW)
    check_asked({}, "Mars/Olympus", NOW)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({}, {"format": "csv", "time_zone": "UTC", "csv_separator": ",", "requested_by": "anna"}, True),
        ({"descriptions": "sms,call"}, {"descriptions": "call,sms,call"}, True),
        ({}, {"format": "xlsx"}, False),
        ({}, {"columns": "detailed"}, False),
        ({}, {"time_zone": "Europe/Berlin"}, False),
        ({}, {"descriptions": "call"}, False),
        ({}, {"compression": "gzip"}, False),
        ({}, {"csv_separator": ";"}, False),
        ({}, {"csv_encoding": "utf-8-sig"}, False),
        ({}, {"period_from": NOW}, False),
        ({}, {"period_to": NOW}, False),
        ({"format": "pdf"}, {"format": "doc"}, False),
    ],
)
def test_two_requests_for_the_same_file_have_the_same_digest(
    one: dict[str, Any], other: dict[str, Any], is_same: bool
) -> None:
    assert (digest_of(one) == digest_of(other)) is is_same
