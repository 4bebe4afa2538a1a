"""A ledger of which one broker alone has a copy is named."""

import pytest

from credit_movements.setup.copies import told


@pytest.mark.parametrize(("copies", "brokers"), [(1, 1), (2, 2), (3, 3), (3, 9), (4, 9)])
def test_enough_copies_are_not_named(copies: int, brokers: int) -> None:
    assert told({"credit-movements": copies}, brokers) is None


@pytest.mark.parametrize(("copies", "brokers", "wanted"), [(1, 3, 3), (2, 3, 3), (1, 2, 2)])
def test_topics_with_too_few_copies_are_named(copies: int, brokers: int, wanted: int) -> None:
    line = told({"acme.rates": 3, "acme.credit-movements": copies}, brokers)
    assert line is not None
    assert line.startswith(f"topics acme.credit-movements have fewer copies than {wanted}")
    assert f"CREDIT_TOPIC_REPLICATION_FACTOR={wanted}" in line
