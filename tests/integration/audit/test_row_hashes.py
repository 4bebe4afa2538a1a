"""ClickHouse hashes its row as the audit hashes the movement of the log."""

import uuid
from random import Random
from typing import Any

import clickhouse_connect
import polars as pl
import pytest

from credit_movements.audit.clickhouse.erasure import EVER
from credit_movements.audit.clickhouse.row_hashes import row_hash_in_sql, row_hashes
from schemas.codec import RecordCodec
from schemas.topics import CREDIT_MOVEMENTS
from sinks.write.columns import movement_columns
from sinks.write.insert import insert_movements
from streams.dedup.fingerprints import id_hashes
from streams.events.table import events_of_movements
from tests.unit.schemas.test_codec import RegisteredSchemas

DTYPES = RecordCodec(CREDIT_MOVEMENTS, RegisteredSchemas()).dtypes  # type: ignore[arg-type]
TEXTS = ["", "a", "call", "Zoë 🦆", "x" * 200, "'\\\n\x00", "+49 151 1"]
OPTIONAL = [None, *TEXTS]
OPTIONAL_TEXTS = (
    "user_id", "destination", "rate_card_id", "destination_prefix", "reason", "direction", "from_number", "campaign_id",
    "destination_name",
)  # fmt: skip
OPTIONAL_FIELDS = (*OPTIONAL_TEXTS, "corrected_movement_id", "rate_effective_from")
NUMBERS = [0, 1, -1, 60, 10**12, -(10**17), 2**62]
NANOS = [0, 1, -1, 10**9, 10**18 - 1, -(10**18) + 1]
TIMES = [0, 1_760_000_000_000_000, 1_760_000_000_000_001, 4_000_000_000_000_000]


def movement(random: Random) -> dict[str, Any]:
    texts = ("account_id", "interaction_id", "description", "unit", "currency", "source_topic")
    numbers = ("quantity", "units_charged", "price_units", "source_offset")
    return {
        "movement_id": str(uuid.UUID(int=random.getrandbits(128))),
        **{name: random.choice(TEXTS) for name in texts},
        **{name: random.choice(OPTIONAL) for name in OPTIONAL_TEXTS},
        "corrected_movement_id": random.choice([None, str(uuid.UUID(int=random.getrandbits(128)))]),
        **{name: random.choice(NUMBERS) for name in numbers},
        **{name: random.choice(NANOS) for name in ("price_nanos", "credit_movement_nanos")},
        "occurred_at": random.choice(TIMES),
        "rate_effective_from": random.choice([None, *TIMES]),
        "source_partition": random.choice([0, 11, 2**31 - 1]),
    }


def hashes(movements: pl.DataFrame) -> list[int]:
    return [int(each) for each in row_hashes(movements, id_hashes(events_of_movements(movements)))]


def test_the_hash_of_a_row_is_that_of_its_movement(tables: str) -> None:
    random = Random(7)
    movements = pl.DataFrame([movement(random) for _ in range(2_000)], schema=DTYPES)
    offsets = pl.Series(range(len(movements))).to_numpy()
    with clickhouse_connect.get_client(dsn=tables, autogenerate_session_id=False) as client:
        insert_movements(client, movement_columns(movements, "log", offsets * 0, offsets))
        question = f"SELECT {row_hash_in_sql('credit_movements')} FROM credit_movements FINAL ORDER BY log_offset"
        said = [row[0] for row in client.query(question, parameters={"kept_from": EVER}).result_rows]
    assert said == hashes(movements)


@pytest.mark.parametrize("name", DTYPES)
def test_every_field_counts(name: str) -> None:
    plain = movement(Random(3)) | {"user_id": None, "destination": "", "rate_effective_from": None, "reason": None}
    others = [TEXTS[1], "call2", None, ""] if DTYPES[name] == pl.String else [5, 6, None]
    if name not in OPTIONAL_FIELDS:
        others.remove(None)
    table = pl.DataFrame([plain, *({**plain, name: other} for other in others if other != plain[name])], schema=DTYPES)
    assert len(set(hashes(table))) == len(table)
