"""Reading an account's movements for its CSV, on a real ClickHouse."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import clickhouse_connect
import numpy as np
import polars as pl
import pytest
from clickhouse_connect.driver.client import Client

from credit_movements.embedded.services import clickhouse_dsn, clickhouse_service
from credit_movements.supervision.processes import running
from sinks.read.movements import ForeignMovementError, stream_movements
from sinks.read.slice import MovementsSlice, MovementsUnavailableError
from sinks.read.totals import read_totals
from sinks.write.columns import movement_columns
from sinks.write.migrations import apply_migrations
from tests.conftest import free_port
from tests.integration.records import minute, movements_table

FROM = 1_700_000_000_000_000
TO = FROM + 10_000_000


@pytest.fixture
def client(tables: str) -> Iterator[Client]:
    with clickhouse_connect.get_client(dsn=tables, autogenerate_session_id=False) as client:
        yield client


def movement(**fields: Any) -> dict[str, Any]:
    return minute(**{"occurred_at": FROM, **fields})


def insert(
    client: Client, movements: list[dict[str, Any]], *, log_id: str = "log", partition: int = 0, first: int = 0
) -> None:
    offsets = np.arange(first, first + len(movements))
    partitions = np.full(len(movements), partition)
    frame = movements_table(movements)
    client.insert_arrow("credit_movements", movement_columns(frame, log_id, partitions, offsets))


def wanted(**fields: Any) -> MovementsSlice:
    return MovementsSlice(
        **{
            "account_id": "acme",
            "from_micros": FROM,
            "to_micros": TO,
            "log_id": "log",
            "log_partition": 0,
            "log_end_offset": 1000,
        }
        | fields
    )


def read(client: Client, slice_: MovementsSlice) -> list[dict[str, Any]]:
    return [row for block in stream_movements(client, slice_) for row in block.to_dicts()]


def test_a_movement_comes_with_exact_numbers_and_its_time_in_microseconds(client: Client) -> None:
    largest = 10**18 - 1
    insert(
        client,
        [
            movement(occurred_at=FROM + 1, units_charged=2**62, price_nanos=largest, credit_movement_nanos=-largest),
            movement(occurred_at=FROM + 2, unit="", units_charged=0, price_nanos=0, credit_movement_nanos=1),
        ],
    )
    assert read(client, wanted()) == [
        {
            "occurred_at_micros": FROM + 1,
            "interaction_id": "call-1",
            "description": "call",
            "unit": "minutes",
            "units_charged": 2**62,
            "price_nanos": largest,
            "price_units": 1,
            "credit_movement_nanos": -largest,
        },
        {
            "occurred_at_micros": FROM + 2,
            "interaction_id": "call-1",
            "description": "call",
            "unit": "",
            "units_charged": 0,
            "price_nanos": 0,
            "price_units": 1,
            "credit_movement_nanos": 1,
        },
    ]


def test_the_period_is_half_open_to_the_microsecond(client: Client) -> None:
    times = [FROM - 1, FROM, TO - 1, TO]
    insert(client, [movement(occurred_at=at) for at in times])
    assert [row["occurred_at_micros"] for row in read(client, wanted())] == [FROM, TO - 1]


def test_a_movement_of_nothing_is_left_out(client: Client) -> None:
    insert(client, [movement(credit_movement_nanos=0)])
    assert read(client, wanted()) == []


def test_rows_come_by_time_then_by_movement_id_as_text(client: Client) -> None:
    ids = [
        "00000000-0000-4000-ff00-000000000000",  # a UUID column sorts by its second half
        "ff000000-0000-4000-0000-000000000000",
        "7f000000-0000-4000-8000-000000000000",
    ]
    insert(client, [movement(movement_id=each, interaction_id=each, occurred_at=FROM + 5) for each in ids])
    insert(client, [movement(interaction_id="later", occurred_at=FROM + 6)], first=3)
    assert [row["interaction_id"] for row in read(client, wanted())] == [*sorted(ids), "later"]


def test_a_row_written_twice_counts_once(client: Client) -> None:
    rows = [movement(occurred_at=FROM + second) for second in range(5)]
    insert(client, rows)
    insert(client, rows)
    assert len(read(client, wanted())) == 5


def test_what_came_into_the_log_after_the_noted_end_belongs_to_the_next_export(client: Client) -> None:
    insert(client, [movement(interaction_id=str(n)) for n in range(10)])
    assert {row["interaction_id"] for row in read(client, wanted(log_end_offset=7))} == set(map(str, range(7)))


def test_rows_of_an_earlier_log_are_all_there_whatever_their_offset(client: Client) -> None:
    insert(client, [movement(interaction_id="old")], log_id="log before", first=5000)
    insert(client, [movement(interaction_id="new")], first=3)
    assert {row["interaction_id"] for row in read(client, wanted(log_end_offset=3))} == {"old"}


def test_rows_of_the_noted_log_must_lie_in_the_accounts_partition(client: Client) -> None:
    insert(client, [movement()], partition=1)
    assert read(client, wanted()) == []


STRANGE_ACCOUNTS = [
    "o'brien",
    '"quoted"',
    "back\\slash",
    "\\N",
    "\\",
    "tab\tline\nreturn\r",
    " spaces ",
    "%41",
    "a+b&c=d#e?f",
    "{account_id:String}",
    "ünïcödé 猫 😀",
    "zero\x00byte",
    "' OR 1=1 --",
    "\ufeffmark",
    "\u2028",
]


@pytest.mark.parametrize("account_id", STRANGE_ACCOUNTS)
def test_any_text_is_an_account_and_gets_its_own_movements_alone(client: Client, account_id: str) -> None:
    insert(client, [movement(account_id=each, interaction_id=each) for each in [*STRANGE_ACCOUNTS, "acme"]])
    assert [row["interaction_id"] for row in read(client, wanted(account_id=account_id))] == [account_id]


def insert_many(client: Client, count: int) -> None:
    client.command(
        "INSERT INTO credit_movements SELECT 'acme', fromUnixTimestamp64Micro({from:Int64} + number, 'UTC'), generateUUIDv4(),"
        " 'i', 'call', 1, 'seconds', 1, 1, 1, -1, 'EUR', null, null, null, null, null,"
        " 'usage-events', 0, number, 'log', 0, number, null, null, null, null, null, null"
        " FROM numbers({count:UInt64})",
        parameters={"from": FROM, "count": count},
    )


def test_a_long_stream_comes_in_blocks(client: Client) -> None:
    insert_many(client, 300_000)
    blocks = list(stream_movements(client, wanted(log_end_offset=300_000)))
    assert sum(map(len, blocks)) == 300_000
    assert max(map(len, blocks)) <= 65_536
    assert pl.concat(blocks)["occurred_at_micros"].is_sorted()


def test_clickhouse_out_of_reach_is_an_outage(client: Client) -> None:
    client.command("DROP TABLE credit_movements")
    with pytest.raises(MovementsUnavailableError, match="UNKNOWN_TABLE"):
        read(client, wanted())


def test_a_stream_that_is_cut_short_is_noticed(log_dir: Path, tmp_path: Path) -> None:
    port = free_port()
    dsn = clickhouse_dsn(port, "a-password-for-tests")
    with running(clickhouse_service(tmp_path, port, "a-password-for-tests"), log_dir) as server:
        apply_migrations(dsn)
        with clickhouse_connect.get_client(dsn=dsn) as client:
            insert_many(client, 2_000_000)
            blocks = stream_movements(client, wanted(log_end_offset=2_000_000))
            next(blocks)
            os.kill(server.process_id, signal.SIGKILL)
            with pytest.raises(MovementsUnavailableError):
                list(blocks)


def test_a_stream_that_ends_early_in_good_order_is_noticed(client: Client) -> None:
    insert_many(client, 100_000)
    client.set_client_setting("limit", 70_000)
    with pytest.raises(MovementsUnavailableError, match="70000 rows of 100000"):
        list(stream_movements(client, wanted(log_end_offset=100_000)))


def test_the_rows_are_counted_without_reading_them(client: Client) -> None:
    insert_many(client, 1_000)
    insert_many(client, 1)
    assert read_totals(client, wanted(log_end_offset=1_000)).row_count == 1_001
    assert read_totals(client, wanted(account_id="nobody")).row_count == 0


@pytest.mark.parametrize(
    ("condition", "foreign"),
    [
        ("account_id = {account_id:String}", {"account_id": "other"}),
        ("occurred_at >= fromUnixTimestamp64Micro({from_micros:Int64}, 'UTC')", {"occurred_at": FROM - 1}),
        ("occurred_at < fromUnixTimestamp64Micro({to_micros:Int64}, 'UTC')", {"occurred_at": TO}),
        ("log_offset < {log_end_offset:Int64}", {}),
        ("log_partition = {log_partition:Int32}", {}),
    ],
)
def test_a_row_that_was_not_asked_for_ends_the_reading(client: Client, condition: str, foreign: dict[str, Any]) -> None:
    insert(client, [movement()])
    partition, first = (1 if "partition" in condition else 0), (1000 if "offset" in condition else 1)
    insert(client, [movement(**foreign)], partition=partition, first=first)
    assert len(read(client, wanted())) == 1

    class Leaking:
        """The real client with one condition taken out."""

        def query(self, sql: str, **arguments: Any) -> Any:
            return client.query(sql.replace(condition, "1"), **arguments)

        def query_arrow_stream(self, sql: str, **arguments: Any) -> Any:
            assert sql.count(condition) == 1
            return client.query_arrow_stream(sql.replace(condition, "1"), **arguments)

    with pytest.raises(ForeignMovementError):
        list(stream_movements(cast(Client, Leaking()), wanted()))
