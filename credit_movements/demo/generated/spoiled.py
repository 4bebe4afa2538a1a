"""Messages with bad bytes, or in a partition that is not their account's."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from credit_movements.demo.generated.usage import event_ids
from schemas.dead_letters import Reason
from schemas.topics import Topic

WRONG_PARTITION: Final = "wrong partition"
_OVERSIZED: Final = "oversized"
_NO_SUCH_SCHEMA_ID: Final = 2_000_000_000

# How a message is spoiled → the reason it must be given.
SPOILED: Final = {
    "no value": Reason.UNDECODABLE,
    "empty": Reason.UNDECODABLE,
    "short": Reason.UNDECODABLE,
    "wrong magic byte": Reason.UNDECODABLE,
    "truncated": Reason.UNDECODABLE,
    "trailing bytes": Reason.UNDECODABLE,
    _OVERSIZED: Reason.UNDECODABLE,
    "no such schema": Reason.UNKNOWN_SCHEMA,
    "another topic's schema": Reason.UNKNOWN_SCHEMA,
    WRONG_PARTITION: Reason.WRONG_PARTITION,
}


@dataclass(frozen=True)
class SpoiledMessage:
    """A good `record` of `topic`, to be spoiled by `how` once it is encoded."""

    topic: Topic
    record: dict[str, Any]
    how: str

    @property
    def reason(self) -> Reason:
        """What its dead letter must say."""
        return SPOILED[self.how]


def spoiled_messages(random: np.random.Generator, topic: Topic, good: pl.DataFrame, each: int) -> list[SpoiledMessage]:
    """`each` of every kind, made of good events of `topic`, with new ids."""
    hows = [how for how in SPOILED for _ in range(each)]
    chosen = good[random.choice(len(good), size=len(hows))]
    fresh = chosen.with_columns(pl.Series("event_id", event_ids(random, len(hows))))
    return [
        SpoiledMessage(topic, _lengthened(record, how), how) for how, record in zip(hows, fresh.to_dicts(), strict=True)
    ]


def spoil(how: str, value: bytes, foreign_schema_id: int) -> bytes | None:
    """The bytes to publish for a good `value`. A message that is wrong by its content or partition stays as it is."""
    match how:
        case "no value":
            return None
        case "empty":
            return b""
        case "short":
            return value[:3]
        case "wrong magic byte":
            return b"\x01" + value[1:]
        case "truncated":
            return value[:-4]
        case "trailing bytes":
            return value + b"\0"
        case "no such schema":
            return _with_schema(value, _NO_SUCH_SCHEMA_ID)
        case "another topic's schema":
            return _with_schema(value, foreign_schema_id)
        case _:
            return value


def _with_schema(value: bytes, schema_id: int) -> bytes:
    return value[:1] + schema_id.to_bytes(4, "big") + value[5:]


def _lengthened(record: dict[str, Any], how: str) -> dict[str, Any]:
    return {**record, "interaction_id": "x" * 70_000} if how == _OVERSIZED else record
