"""Sums of blocks on a real ClickHouse: what is read by them is what the ledger adds up to, whoever wrote them, how often."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import clickhouse_connect
import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from kafka_io.reading import Span
from sinks.read.balance import read_balance
from sinks.read.slice import MovementsSlice
from sinks.read.spending import spending
from sinks.read.summed.grains import BY, BY_KEY, BY_QUARTER, REACHED
from sinks.read.summed.reach import Reach, Summed, read_reach, summed
from sinks.read.totals import read_all_totals, read_totals
from sinks.write.batch import MovementBatch
from sinks.write.columns import movement_columns
from sinks.write.erase import erase_account
from sinks.write.insert import insert_movements
from sinks.write.sums.fill import fill
from sinks.write.sums.of_ledger import sum_span
from sinks.write.sums.roll_up import RollUp
from sinks.write.sums.store import insert_reach
from tests.integration.records import movement, movements_table

BLOCK = 100
BEGIN = 1_700_000_000_000_000
DAY = 86_400 * 10**6
SOME = (("day",), ("user",))
ALL = (*((each,) for each in BY), ("day", "description"), ("user", "card"))
ACCOUNTS = ("acme", "ACME", "a' OR 1=1")
_SUMS = "SELECT * FROM {} FINAL ORDER BY ALL"


def made(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Movements of three accounts over three days, in no order of time, of all kinds."""
    chance = random.Random(5)
    rows = []
    for number in range(count):
        description = chance.choice(("call", "sms", "top-up", "refund"))
        rows.append(
            movement(
                number,
                account_id=ACCOUNTS[number % 3],
                occurred_at=BEGIN + chance.randrange(3 * DAY),
                description=description,
                unit="" if description in ("top-up", "refund") else "seconds",
                user_id=chance.choice((None, "anna", "ben")),
                destination_prefix=chance.choice((None, "", "49", "44")),
                rate_card_id=chance.choice((None, "default")),
                # Sums of a few of them have more than 64 bits.
                credit_movement_nanos=chance.randrange(-(10**18) + 1, 10**18),
            )
            | fields
        )
    return rows


def batch(rows: list[dict[str, Any]], first: int) -> MovementBatch:
    offsets = np.arange(first, first + len(rows))
    return MovementBatch([b""] * len(rows), np.zeros_like(offsets), offsets, {0: first + len(rows)}, [])


def insert(client: Client, rows: list[dict[str, Any]], first: int = 0, log_id: str = "log") -> None:
    places = np.arange(first, first + len(rows))
    insert_movements(client, movement_columns(movements_table(rows), log_id, np.zeros_like(places), places))


def sink(client: Client, rows: list[dict[str, Any]], first: int = 0, step: int = 70, log_id: str = "log") -> None:
    """As a sink that begins at an offset: it inserts batches, and sums of the blocks that end with them."""
    sums = RollUp(client, log_id, BLOCK)
    sums.begin([0])
    sums.learn()
    for at in range(first, len(rows), step):
        piece = rows[at : at + step]
        due = sums.gather(batch(piece, at), movements_table(piece))
        sums.note_repeats(batch(piece, at), movements_table(piece))
        insert(client, piece, at, log_id)
        for each in due:
            sums.write(each)


def sums_of(client: Client) -> list[Any]:
    return [client.query(_SUMS.format(table)).result_rows for table in (BY_QUARTER, BY_KEY, REACHED)]


def amount(rows: list[dict[str, Any]]) -> Decimal:
    return Decimal(sum(row["credit_movement_nanos"] for row in rows)).scaleb(-9)


def moment(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def key_of(row: dict[str, Any], by: str, zone: str) -> str | None:
    ahead = timedelta(hours=5, minutes=45) if zone == "Asia/Kathmandu" else timedelta(hours=1)
    local = moment(row["occurred_at"]) + ahead
    keys = {
        "day": f"{local:%Y-%m-%d}",
        "hour": f"{local:%Y-%m-%dT%H:00:00}+{moment(0) + ahead:%H:%M}",
        "description": row["description"],
        "user": row["user_id"],
        "destination": row["destination_prefix"],
        "card": row["rate_card_id"],
    }
    return keys[by] or None


def check(
    client: Client, rows: list[dict[str, Any]], account: str = "acme", by: tuple[tuple[str, ...], ...] = SOME
) -> None:
    """Balances and spending are what the rows add up to, in whole and at ends that cut a quarter of an hour."""
    rows = [row for row in rows if row["account_id"] == account]
    for at in (None, BEGIN + DAY + 1):
        mine = [row for row in rows if at is None or row["occurred_at"] < at]
        found = read_balance(client, account, at)
        assert [(each.amount, each.movements) for each in found] == ([(amount(mine), len(mine))] if mine else [])
        if mine:
            assert found[0].as_of == moment(max(row["occurred_at"] for row in mine))
    for begin, end in (
        (BEGIN - DAY, BEGIN + 4 * DAY),
        (BEGIN + 7, BEGIN + DAY + 13),
        (BEGIN + 20, BEGIN + 600_000_000),
    ):
        mine = [row for row in rows if begin <= row["occurred_at"] < end]
        # Their hours begin with a quarter of an hour of UTC, and with an hour. Without keys by time a zone changes nothing.
        asked = [(keys, "Asia/Kathmandu") for keys in by]
        asked += [(keys, "Africa/Lagos") for keys in by if keys in (("day",), ("hour",))]
        for keys, zone in asked:
            wanted: dict[Any, list[dict[str, Any]]] = {}
            for row in mine:
                wanted.setdefault(tuple(key_of(row, each, zone) for each in keys), []).append(row)
            found_rows = spending(client, account, moment(begin), moment(end), keys, zone)
            assert {row["key"]: (row["movements"], row["net"]) for row in found_rows} == {
                key: (len(of_key), amount(of_key)) for key, of_key in wanted.items()
            }
            for row in found_rows:
                of_key = wanted[row["key"]]
                assert row["charges"] == amount([each for each in of_key if each["unit"]])
                assert row["top_ups"] == amount([each for each in of_key if each["description"] == "top-up"])
                assert row["adjustments"] == amount([each for each in of_key if each["description"] == "refund"])


@pytest.fixture
def client(tables: str) -> Any:
    with clickhouse_connect.get_client(dsn=tables, autogenerate_session_id=False) as client:
        yield client


def test_with_sums_or_without_spending_and_balances_are_what_the_movements_add_up_to(client: Client) -> None:
    rows = made(730)
    insert(client, rows)
    assert summed(client, "acme") is None
    check(client, rows, by=ALL)
    sink(client, rows)
    assert summed(client, "acme") == Summed("log", 0, 700)
    check(client, rows, by=ALL)
    check(client, rows, "a' OR 1=1")


one_server = pytest.mark.parametrize("tables", ["one server"], indirect=True)


@one_server
def test_what_is_read_and_written_again_adds_nothing(client: Client) -> None:
    rows = made(730)
    sink(client, rows)
    before = sums_of(client)
    for begin in (0, 100, 130, 690):
        sink(client, rows, begin)
    # A rebuild without an end: nothing says how far the sums reach, and all are written again.
    client.command(f"TRUNCATE TABLE {REACHED}")
    sink(client, rows, step=33)
    assert sums_of(client) == before
    check(client, rows)


@one_server
def test_sums_from_memory_and_from_the_ledger_are_the_same_rows(client: Client) -> None:
    rows = made(500)
    sink(client, rows)
    before = sums_of(client)
    sum_span(client, "log", 0, Span(0, 500), BLOCK, [])
    assert sums_of(client) == before
    client.command(f"TRUNCATE TABLE {BY_QUARTER}")
    client.command(f"TRUNCATE TABLE {BY_KEY}")
    client.command(f"TRUNCATE TABLE {REACHED}")
    # A row that was written twice; and the sink has said that it has more than whole blocks.
    insert(client, rows[:40])
    assert fill(client, "log", {0: 530}, block_offsets=BLOCK) == 5
    assert fill(client, "log", {0: 530}, block_offsets=BLOCK) == 0
    assert sums_of(client) == before


@one_server
def test_a_sink_that_begins_in_a_block_or_far_behind_leaves_no_hole(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = made(730)
    # A sink of before wrote no sums.
    insert(client, rows[:150])
    sink(client, rows, first=150)
    assert read_reach(client, "log") == {0: Reach(BLOCK, 700)}
    check(client, rows)
    monkeypatch.setattr("sinks.write.sums.roll_up.MOST_BLOCKS_OF_LEDGER", 2)
    client.command(f"TRUNCATE TABLE {REACHED}")
    sink(client, rows, first=550)
    assert read_reach(client, "log") == {}
    assert "run `credit-movements setup`" in caplog.text
    assert fill(client, "log", {0: 730}, block_offsets=BLOCK) == 7
    check(client, rows)


@one_server
def test_after_a_step_back_in_the_log_nothing_is_counted_twice_or_missed(client: Client) -> None:
    rows = made(400)
    sums = RollUp(client, "log", BLOCK)
    sums.begin([0])
    sums.learn()
    # Back to before the block; in the middle of a batch; ends without movements behind them.
    for begin, end in ((0, 130), (90, 210), (190, 250), (150, 160), (160, 310), (310, 400)):
        due = sums.gather(batch(rows[begin:end], begin), movements_table(rows[begin:end]))
        insert(client, rows[begin:end], begin)
        for each in due:
            sums.write(each)
    assert read_reach(client, "log") == {0: Reach(BLOCK, 400)}
    check(client, rows)


@one_server
def test_sums_that_nothing_reaches_do_not_count(client: Client) -> None:
    rows = made(350)
    sink(client, rows)
    # A crash between the sums and how far they reach.
    client.command(f"ALTER TABLE {REACHED} DELETE WHERE 1", settings={"mutations_sync": 2})
    insert_reach(client, "log", {0: Reach(BLOCK, 200)})
    check(client, rows)


@one_server
def test_an_account_with_movements_of_another_log_is_added_up_from_the_ledger(client: Client) -> None:
    rows = made(350)
    sink(client, rows[:300], log_id="before")
    # An embedded log begins anew: some events come again, at other offsets, and new ones.
    sink(client, rows[100:], log_id="now")
    assert summed(client, "acme") is None
    check(client, rows)


@one_server
def test_sums_by_user_go_with_the_users_of_an_erased_account(client: Client) -> None:
    rows = made(300)
    sink(client, rows[:250])
    erase_account(client, "acme")
    sink(client, rows, first=250)
    erased = [row | {"user_id": None} if row["account_id"] == "acme" else row for row in rows]
    assert client.query(f"SELECT DISTINCT account_id FROM {BY_KEY} WHERE kind = 'user' ORDER BY 1").result_rows == [
        ("ACME",), ("a' OR 1=1",)
    ]  # fmt: skip
    for account in ("acme", "ACME"):
        check(client, erased, account, by=(("user",),))


@one_server
def test_the_opening_balance_at_a_place_in_the_log_is_the_same_before_and_after_there_are_sums(client: Client) -> None:
    rows = made(730)
    slices = [
        MovementsSlice(account, begin, BEGIN + 3 * DAY, "log", 0, end)
        for account, begin, end in (
            ("acme", BEGIN + DAY + 5, 350),
            ("ACME", BEGIN + DAY, 1_000),
            ("a' OR 1=1", BEGIN, 90),
        )
    ]
    insert(client, rows)
    before = read_all_totals(client, slices)
    for each, total in before.items():
        mine = [
            row
            for number, row in enumerate(rows)
            if row["account_id"] == each.account_id and number < each.log_end_offset
        ]
        opening = [row["credit_movement_nanos"] for row in mine if row["occurred_at"] < each.from_micros]
        assert total.opening_nanos == sum(opening)
    for reached in (300, 700):
        sink(client, rows[: reached + 20])
        assert read_reach(client, "log") == {0: Reach(BLOCK, reached)}
        assert read_all_totals(client, slices) == before
        assert {each: read_totals(client, each) for each in slices} == before
    # Another log began: the sums of this one are no longer sure.
    insert(client, rows[:10], log_id="now")
    other = [MovementsSlice("acme", BEGIN + DAY + 5, BEGIN + 3 * DAY, "now", 0, 10)]
    moved = [row for row in rows if row["account_id"] == "acme"]
    opening = [row["credit_movement_nanos"] for row in moved if row["occurred_at"] < BEGIN + DAY + 5]
    assert read_all_totals(client, other)[other[0]].opening_nanos == sum(opening)
