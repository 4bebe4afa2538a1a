"""One movement out of ClickHouse by its id, on each form of the tables."""

from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from sinks.read.newest_movements import WantedMovements, destination_names, newest_movements
from sinks.read.one_movement import adjustments_of, movements_of_id
from tests.integration.whatif.test_ledger import call, correction_of, put


@pytest.fixture
def client(tables: str) -> Iterator[Client]:
    with clickhouse_connect.get_client(dsn=tables, autogenerate_session_id=False) as made:
        yield made


def test_a_movement_is_found_once_with_all_its_fields_and_by_its_account_alone(client: Client) -> None:
    mine = call(1)
    same_id = call(2, "other", movement_id=mine["movement_id"])
    put(client, *(call(number) for number in range(10, 100)), mine, same_id)
    # As after a crash.
    put(client, mine)
    (found,) = movements_of_id(client, mine["movement_id"], "acme")
    assert {name: found[name] for name in mine} == mine
    assert {row["account_id"] for row in movements_of_id(client, mine["movement_id"])} == {"acme", "other"}
    assert movements_of_id(client, mine["movement_id"], "acme' OR 1=1 --") == []
    assert movements_of_id(client, call(3)["movement_id"]) == []


def test_the_adjustments_of_a_movement_are_those_of_its_account_that_name_it(client: Client) -> None:
    mine, another = call(1), call(2)
    refunds = [correction_of(mine, nanos, "refund") for nanos in (1, 2)]
    strange = correction_of(mine, 4, "refund") | {"account_id": "other"}
    put(client, mine, another, *refunds, strange, correction_of(another, 8))
    put(client, refunds[0])
    found = adjustments_of(client, "acme", mine["movement_id"])
    assert sorted(row["credit_movement_nanos"] for row in found) == [1, 2]
    assert {(row["corrected_movement_id"], row["reason"]) for row in found} == {(mine["movement_id"], "by hand")}


def test_the_newest_movements_are_the_account_s_own(client: Client) -> None:
    put(client, *(call(number) for number in range(30)), call(99, "other"))
    put(client, call(29))
    found = newest_movements(client, WantedMovements("acme"), 3)
    assert [row["interaction_id"] for row in found] == ["call-29", "call-28", "call-27"]


def test_page_by_page_each_movement_comes_once_even_of_one_microsecond(client: Client) -> None:
    at = call(0)["occurred_at"]
    put(
        client,
        *(call(number, occurred_at=at + number // 20) for number in range(60)),
        call(99, "other", occurred_at=at),
    )
    put(client, call(7, occurred_at=at))
    found: list[str] = []
    before = None
    while page := newest_movements(client, WantedMovements("acme", before=before), 7):
        found += [row["interaction_id"] for row in page]
        before = page[-1]["occurred_at"], page[-1]["movement_id"]
    assert sorted(found) == sorted(f"call-{number}" for number in range(60))


def test_only_what_is_wanted_of_an_account_comes(client: Client) -> None:
    at = call(0)["occurred_at"]
    put(
        client,
        call(1, occurred_at=at, user_id="anna", destination_prefix="49"),
        call(2, occurred_at=at + 1, user_id="anna", destination_prefix="39"),
        call(3, occurred_at=at + 2, user_id="' OR 1=1 --", description="sms", destination_prefix="49"),
        call(4, "other", occurred_at=at + 1, user_id="anna", destination_prefix="49"),
    )
    # A later version of a row, as after a rating anew: the superseded one must not come back.
    put(client, call(1, occurred_at=at, user_id="ben", destination_prefix="49"))

    def wanted(**fields: Any) -> list[str]:
        found = newest_movements(client, WantedMovements("acme", **fields), 10)
        return [row["interaction_id"] for row in found]

    assert wanted(from_micros=at + 1, to_micros=at + 2) == ["call-2"]
    assert wanted(user_id="anna") == ["call-2"]
    assert wanted(user_id="' OR 1=1 --") == ["call-3"]
    assert wanted(destination_prefix="49") == ["call-3", "call-1"]
    assert wanted(description="sms", destination_prefix="49", from_micros=at) == ["call-3"]
    assert wanted(description="sms", user_id="anna") == []


def test_a_destination_is_called_what_its_newest_movement_of_the_account_and_time_was_called(client: Client) -> None:
    at = call(0)["occurred_at"]
    put(
        client,
        call(1, occurred_at=at, destination_name="Germany"),
        call(2, occurred_at=at + 1, destination_name="Germany, fixed line"),
        call(3, occurred_at=at + 2, destination_name="Germany from now on"),
        call(4, occurred_at=at + 1, destination_prefix="39", destination_name=None),
        call(5, "other", occurred_at=at + 1, destination_name="another's", destination_prefix="44"),
        call(6, occurred_at=at + 1, destination_prefix=None, destination_name=None),
    )
    of_time = WantedMovements("acme", at, at + 2)
    assert destination_names(client, of_time, ["49", "39", "44", "' OR 1=1 --"]) == {"49": "Germany, fixed line"}
    assert destination_names(client, of_time, []) == {}
    assert destination_names(client, WantedMovements("acme"), ["49"]) == {"49": "Germany from now on"}
