"""Settings that are wrong end as one line."""

import itertools

import pytest

from credit_movements.settings import Settings, SettingsError, settings_of
from schemas.topics import ALL_TOPICS


@pytest.mark.parametrize("prefix", ["", "acme.", "eu-1_", ".", "_", "x" * 229])
def test_a_prefix_that_kafka_takes(prefix: str) -> None:
    assert settings_of({"CREDIT_KAFKA_PREFIX": prefix}).kafka_prefix == prefix
    assert max(len(prefix + topic.name) for topic in ALL_TOPICS) <= 249


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("acme/", "letters, digits, dots, underscores and hyphens alone"),
        ("acme ", "letters, digits, dots, underscores and hyphens alone"),
        ("acm\N{LATIN SMALL LETTER E WITH ACUTE}.", "letters, digits, dots, underscores and hyphens alone"),
        ("acme.\n", "letters, digits, dots, underscores and hyphens alone"),
        ("__acme.", "names that begin with __ are Kafka's own"),
        ("x" * 230, "at most 229 characters"),
    ],
)
def test_a_prefix_that_kafka_does_not_take(prefix: str, why: str) -> None:
    with pytest.raises(SettingsError, match=f"^CREDIT_KAFKA_PREFIX: .*{why}"):
        settings_of({"CREDIT_KAFKA_PREFIX": prefix})


def test_no_two_prefixes_give_two_topics_one_name() -> None:
    """It would take a name that ends in another one: `x` + `a-rates` would be `xa-` + `rates`."""
    names = [topic.name for topic in ALL_TOPICS]
    assert [pair for pair in itertools.permutations(names, 2) if pair[0].endswith(pair[1])] == []
    assert Settings().kafka_prefix == ""
