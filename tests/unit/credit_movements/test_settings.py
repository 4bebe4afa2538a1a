"""Settings that are wrong end as one line."""

import itertools

import pytest

from credit_movements.clickhouse import checked_client
from credit_movements.settings import Settings, SettingsError, required, settings_of
from schemas.topics import ALL_TOPICS


@pytest.mark.parametrize("prefix", ["", "acme.", "eu-1_", ".", "_", "x" * 228])
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
        ("x" * 229, "at most 228 characters"),
    ],
)
def test_a_prefix_that_kafka_does_not_take(prefix: str, why: str) -> None:
    with pytest.raises(SettingsError, match=f"^CREDIT_KAFKA_PREFIX: .*{why}"):
        settings_of({"CREDIT_KAFKA_PREFIX": prefix})


@pytest.mark.parametrize("setting", ["CREDIT_CLICKHOUSE_DSN", "CREDIT_SCHEMA_REGISTRY_URL"])
@pytest.mark.parametrize("password", ["pa5#word", "pa5?word", "pa5/word", "1#word", "1/word", "pa5[word"])
def test_a_password_that_is_not_percent_encoded_is_not_shown(setting: str, password: str) -> None:
    with pytest.raises(
        SettingsError, match=f"^{setting}: must be a URL that names a host; in a user or password"
    ) as wrong:
        settings_of({setting: f"http://user:{password}@localhost:8123/default"})
    assert "word" not in str(wrong.value).replace("password", "")
    assert "pa5" not in str(wrong.value)


@pytest.mark.parametrize("setting", ["CREDIT_CLICKHOUSE_DSN", "CREDIT_SCHEMA_REGISTRY_URL"])
def test_a_url_is_one_of_http(setting: str) -> None:
    """ClickHouse's driver would take tcp:// for http://, and send the password in the clear."""
    with pytest.raises(SettingsError, match=f"^{setting}: must begin with http:// or https://"):
        settings_of({setting: "tcp://user:word@localhost:9440/default"})


def test_an_unknown_parameter_of_a_dsn_is_one_line() -> None:
    settings = settings_of({"CREDIT_CLICKHOUSE_DSN": "http://user:word@localhost:8123/default?nope=1"})
    with pytest.raises(SettingsError, match=r"^CREDIT_CLICKHOUSE_DSN: has something behind a \? .* 'nope'"):
        checked_client(settings)


def test_a_password_that_is_percent_encoded_is_taken() -> None:
    dsn = "http://user:pa%235%2Fw%40rd@localhost:8123/default"
    assert required(settings_of({"CREDIT_CLICKHOUSE_DSN": dsn}), "clickhouse_dsn") == dsn


def test_no_two_prefixes_give_two_topics_one_name() -> None:
    """It would take a name that ends in another one: `x` + `a-rates` would be `xa-` + `rates`."""
    names = [topic.name for topic in ALL_TOPICS]
    assert [pair for pair in itertools.permutations(names, 2) if pair[0].endswith(pair[1])] == []
    assert Settings().kafka_prefix == ""
