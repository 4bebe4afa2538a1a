"""The ledger in ClickHouse rated anew: which rows count, and what comes of it."""

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import numpy as np
import polars as pl
import pytest
from clickhouse_connect.driver.client import Client

from credit_movements.publishing.json_lines import read_lines
from credit_movements.whatif.adjustments import Booking
from credit_movements.whatif.files import FileNotWrittenError
from credit_movements.whatif.price_lists import price_list_of
from credit_movements.whatif.report import accounts_csv, as_json
from credit_movements.whatif.service import Asked, WhatIf, rate_ledger_anew
from schemas.topics import ADJUSTMENT_EVENTS
from sinks.write.columns import movement_columns
from sinks.write.insert import insert_movements
from streams.pricing.rate_checks import PLAN_COLUMNS, RATE_COLUMNS
from streams.pricing.rating import Limits
from tests.integration.records import DAY, YESTERDAY, minute, movements_table, rate

LIMITS = Limits(timedelta(days=35), timedelta(hours=1), 72 * 3600, 10_000)
# What was 0.03 should have been 0.02 a minute.
RIGHT = rate(destination_prefix="49", initial_increment=60, price_nanos=20_000_000, price_units=60)
PRICES = price_list_of(pl.DataFrame([RIGHT], schema=RATE_COLUMNS), pl.DataFrame(schema=PLAN_COLUMNS), "default")
BOOKING = Booking("c0ffee" + 58 * "0", not_before=0)


@pytest.fixture
def client(tables: str) -> Iterator[Client]:
    with clickhouse_connect.get_client(dsn=tables, autogenerate_session_id=False) as made:
        yield made


def call(number: int, account_id: str = "acme", **fields: Any) -> dict[str, Any]:
    id_ = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number} {account_id}"))
    return minute(
        movement_id=id_, account_id=account_id, destination="+4930123456", destination_prefix="49",
        interaction_id=f"call-{number}", occurred_at=YESTERDAY + number,
    ) | fields  # fmt: skip


def correction_of(movement: dict[str, Any], nanos: int, kind: str = "correction") -> dict[str, Any]:
    return movement | {
        "movement_id": str(uuid.uuid4()), "description": kind, "quantity": 0, "unit": "", "units_charged": 0, "price_nanos": 0,
        "credit_movement_nanos": nanos, "destination": None, "destination_prefix": None, "source_topic": "adjustment-events",
        "corrected_movement_id": movement["movement_id"], "reason": "by hand",
    }  # fmt: skip


def put(client: Client, *movements: dict[str, Any]) -> None:
    places = np.arange(len(movements))
    insert_movements(client, movement_columns(movements_table(list(movements)), "log", places * 0, places))


def found_in(client: Client, adjust: Path | None = None) -> WhatIf:
    asked = Asked(YESTERDAY - 10 * DAY, YESTERDAY + DAY, PRICES, LIMITS)
    return rate_ledger_anew(client, asked, None if adjust is None else (adjust, BOOKING))


def accounts(found: WhatIf) -> list[tuple[str, ...]]:
    return [
        (row["account_id"], row["paid"], row["would_have_paid"], row["difference"])
        for row in as_json(found, {})["accounts"]
    ]


def test_usage_of_the_time_counts_once_however_often_it_was_stored(client: Client) -> None:
    calls = [call(1), call(2), call(3, "bcme", quantity=61)]
    put(client, *calls, call(4, occurred_at=YESTERDAY + DAY), call(5, occurred_at=YESTERDAY - 10 * DAY - 1))
    put(client, *calls[:2], call(6, description="top-up", source_topic="top-up-events", unit="", quantity=0))
    found = found_in(client)
    assert found.sums.movements == 3
    assert accounts(found) == [("acme", "-0.06", "-0.04", "0.02"), ("bcme", "-0.03", "-0.04", "-0.01")]
    assert accounts_csv(found).decode().splitlines()[1:] == [
        "acme,EUR,2,-0.06,-0.04,0.02",
        "bcme,EUR,1,-0.03,-0.04,-0.01",
    ]


def test_movements_of_accounts_whose_numbers_were_erased_are_counted_and_left_out(client: Client) -> None:
    client.command("INSERT INTO erased_accounts (account_id) VALUES ('gone')")
    put(client, call(1), call(2, "gone"))
    found = found_in(client)
    assert (found.erased, found.sums.movements) == (1, 1)
    assert [each[0] for each in accounts(found)] == ["acme"]


def test_corrections_count_as_paid_and_refunds_do_not(client: Client) -> None:
    corrected, refunded = call(1), call(2, "bcme")
    rows = [corrected, refunded, correction_of(corrected, 10_000_000), correction_of(refunded, 10_000_000, "refund")]
    # As after a sink's crash.
    put(client, *rows)
    put(client, *rows)
    found = found_in(client)
    assert accounts(found) == [("bcme", "-0.03", "-0.02", "0.01"), ("acme", "-0.02", "-0.02", "0")]
    assert found.corrected == 2


def test_the_file_of_adjustments_is_one_that_publish_takes_and_the_same_when_it_is_made_again(
    client: Client, tmp_path: Path
) -> None:
    calls = [call(2), call(1), call(3, "bcme", destination="+33123")]
    put(client, *calls)
    file = tmp_path / "corrections.jsonl"
    found = found_in(client, file)
    assert found.written is not None
    assert (found.written.events, found.written.by_currency()) == (2, [("EUR", 20_000_000, 0)])
    first = file.read_bytes()
    with file.open(encoding="utf-8") as lines:
        table = read_lines(ADJUSTMENT_EVENTS, lines)
    assert table.select("account_id", "movement_id", "amount_nanos", "occurred_at").rows() == [
        ("acme", each["movement_id"], 10_000_000, each["occurred_at"]) for each in (calls[1], calls[0])
    ]
    put(client, *calls)
    found_in(client, file)
    assert file.read_bytes() == first
    # Half of them are stored: only the others are left.
    stored = json.loads(first.splitlines()[0])
    put(client, correction_of(calls[1], 10_000_000) | {"movement_id": stored["event_id"]})
    found_in(client, file)
    assert file.read_bytes() == first.splitlines(keepends=True)[1]


def test_whoever_stops_it_has_no_file_and_the_one_that_was_there(client: Client, tmp_path: Path) -> None:
    put(client, call(1))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "corrections.jsonl"
    file.write_text("of yesterday")
    asked = Asked(YESTERDAY - DAY, YESTERDAY + DAY, PRICES, LIMITS)
    with pytest.raises(KeyboardInterrupt):
        rate_ledger_anew(client, asked, (file, BOOKING), interrupted)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert file.read_text() == "of yesterday"


def test_a_folder_that_is_not_there_is_one_line(client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileNotWrittenError, match=r"none/corrections\.jsonl: cannot be written: No such file"):
        found_in(client, tmp_path / "none" / "corrections.jsonl")
