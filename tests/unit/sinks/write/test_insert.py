"""An error of ClickHouse becomes a message that says what to do."""

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, ProgrammingError

from sinks.read.consistency import WHOLE_ANSWER
from sinks.read.slice import SETTINGS
from sinks.write.insert import INSERT_SETTINGS, explain_refusal, is_clickhouse_outage


def test_a_refusal_that_waiting_will_not_heal_says_what_will() -> None:
    error = DatabaseError("Table default.credit_movements\ndoes not exist", code=60, name="UNKNOWN_TABLE")
    assert explain_refusal(error) == (
        "this will not pass by itself, the table is not there: run `credit-movements setup` "
        "(Table default.credit_movements does not exist)"
    )


def test_any_other_error_is_passed_on_as_one_line_of_bounded_length() -> None:
    assert explain_refusal(OperationalError("connection\n refused")) == "connection refused"
    assert len(explain_refusal(OperationalError("x" * 10_000))) < 400


def test_a_server_that_cannot_be_reached_is_named_with_what_went_wrong() -> None:
    with pytest.raises(OperationalError) as caught:
        clickhouse_connect.get_client(dsn="http://user:a-secret@127.0.0.1:1/default")
    text = explain_refusal(caught.value)
    assert "127.0.0.1" in text
    assert "Connection refused" in text
    assert "a-secret" not in text


def test_the_servers_refusals_are_outages_and_misuse_of_its_driver_is_a_bug() -> None:
    assert is_clickhouse_outage(DatabaseError("no such table"))
    assert is_clickhouse_outage(OperationalError("connection refused"))
    assert not is_clickhouse_outage(ProgrammingError("unknown setting"))
    assert not is_clickhouse_outage(KeyError("account_id"))


def test_a_cluster_s_answer_is_whole_or_an_error() -> None:
    """Not one of them shows on one server: what each is for is in docs/production/clickhouse.md."""
    sent = {"distributed_foreground_insert": 1, "insert_quorum": "auto", "insert_quorum_parallel": 0, "async_insert": 0}
    assert sent.items() <= INSERT_SETTINGS.items()
    for asked in (SETTINGS, WHOLE_ANSWER):
        assert (asked["select_sequential_consistency"], asked["skip_unavailable_shards"]) == (1, 0)


def test_nothing_is_said_about_deduplication_tokens() -> None:
    assert not [name for name in INSERT_SETTINGS if "dedup" in name]
