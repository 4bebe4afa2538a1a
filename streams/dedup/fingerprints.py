"""The two fingerprints of an event: the hash of its id, and the hash of its content.

XXH3 (64 bits) hashes the texts of an event together. The finalizer of SplitMix64 mixes each number, and the length of each
text, with a salt of its own. The sum of all is the hash. A null adds nothing, so that an event keeps its hash when the schema
gains a nullable field.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest

from schemas.arrow import arrow_of, numpy_of

Hashes = npt.NDArray[np.uint64]

# Each store records it. Change it whenever a change below changes a hash.
ALGORITHM = "xxh3-64+splitmix64/1"
# In this order for ever. A new nullable field goes to the end.
_NUMBERS = ("quantity", "occurred_at", "amount_nanos")
_TEXTS = ("source_topic", "interaction_id", "usage_type", "destination", "user_id", "currency")
# Most batches have none of these, or not all: what is null in all rows is not looked at.
_RARE_TEXTS = ("kind", "corrected_movement_id", "reason", "direction", "from_number", "campaign_id")
_SALTS = {name: salt for salt, name in enumerate((*_NUMBERS, *_TEXTS, *_RARE_TEXTS), 1)}
# `pa.scalar` would load pandas too.
_ZERO = arrow_of(np.zeros(1, dtype=np.int64))[0]


def id_hashes(events: pl.DataFrame) -> Hashes:
    """The hash of (account_id, event_id) of each row. All event_ids have one length, so two pairs never make the same text."""
    return _hashed_together(events, ("event_id", "account_id"))


def content_hashes(events: pl.DataFrame) -> Hashes:
    """The hash of all other fields of each row that the publisher filled (EVENT_COLUMNS without POSITION_COLUMNS)."""
    texts = (*_TEXTS, *(name for name in _RARE_TEXTS if events[name].null_count() < len(events)))
    hashes = _hashed_together(events, texts)
    numbers = events.select(*_NUMBERS, *(pl.col(name).str.len_bytes().cast(pl.Int64) for name in texts))
    for column in numbers:
        # Arrow's own steps: Polars plans each of its steps anew, which is most of what a small batch costs.
        values = column.to_arrow()
        mixed = _mixed(numpy_of(values.fill_null(_ZERO)), _SALTS[column.name])
        if values.null_count:
            mixed[numpy_of(pc.indices_nonzero(values.is_null()))] = 0
        hashes += mixed
    return hashes


def _hashed_together(events: pl.DataFrame, names: Iterable[str]) -> Hashes:
    texts = events.select(pl.concat_str(*names, ignore_nulls=True).cast(pl.Binary)).to_series().to_list()
    return np.fromiter(map(xxh3_64_intdigest, texts), dtype=np.uint64, count=len(texts))


def _mixed(values: npt.NDArray[np.int64], salt: int) -> Hashes:
    """SplitMix64's finalizer (Steele, Lea, Flood 2014) of each value, moved by `salt` steps of its sequence."""
    step = np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    z = values.view(np.uint64) + step
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return z ^ z >> np.uint64(31)
