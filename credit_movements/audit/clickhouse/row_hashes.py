"""One number for a whole row, said twice: computed here for a movement of the log, and by ClickHouse for its row.

XXH3 (64 bits) hashes the two texts of a row. Each number, and the length of each text, is multiplied by an odd constant of its
own. The finalizer of SplitMix64 mixes the sum of all, so that the sums of many rows can be compared too. Both are named
algorithms: a checkpoint outlives the process and the version of a package.
"""

from typing import Final

import numpy as np
import polars as pl
from xxhash import xxh3_64_intdigest

from sinks.read.erased import PERSONAL
from streams.dedup.fingerprints import Hashes

# A checkpoint records it. Change it whenever a change below changes a hash.
ALGORITHM: Final = "row-xxh3-64+splitmix64/1"
_ID: Final = ("movement_id", "account_id")
# A new nullable column goes to the end: a null adds nothing, so the hashes of earlier rows stay what they were.
_TEXTS: Final = (
    "interaction_id",
    "description",
    "unit",
    "currency",
    "user_id",
    "destination",
    "rate_card_id",
    "destination_prefix",
    "source_topic",
    "corrected_movement_id",
    "reason",
    "direction",
    "from_number",
    "campaign_id",
    "destination_name",
)
# Of these a null and a 0 are told apart.
_NULLABLE: Final = "rate_effective_from"
_NUMBERS: Final = (
    "occurred_at",
    "quantity",
    "units_charged",
    "price_nanos",
    "price_units",
    "credit_movement_nanos",
    "source_partition",
    "source_offset",
    _NULLABLE,
)
_LENGTHS: Final = tuple(f"length_of_{name}" for name in (*_ID, *_TEXTS))
_IS_NULL: Final = f"no_{_NULLABLE}"
_ID_HASH: Final = "id_hash"
_TEXT_HASH: Final = "text_hash"
_MODULUS: Final = 2**64
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MIX: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT: Final = 31


def _splitmix(step: int) -> int:
    z = step * _GOLDEN % _MODULUS
    for shift, factor in _MIX:
        z = (z ^ z >> shift) * factor % _MODULUS
    return z ^ z >> _LAST_SHIFT


_FACTORS: Final = {
    name: _splitmix(number) | 1 for number, name in enumerate((_ID_HASH, _TEXT_HASH, *_NUMBERS, _IS_NULL, *_LENGTHS), 1)
}


def row_hashes(movements: pl.DataFrame, id_hashes: Hashes) -> Hashes:
    """The hash of each of `movements` (the columns of CreditMovement). `id_hashes`: XXH3 of movement_id and account_id joined,
    which the caller has already."""
    texts = movements.select(pl.concat_str(_TEXTS, ignore_nulls=True).cast(pl.Binary)).to_series().to_list()
    total = id_hashes * np.uint64(_FACTORS[_ID_HASH])
    hashed = np.fromiter(map(xxh3_64_intdigest, texts), dtype=np.uint64, count=len(texts))
    hashed *= np.uint64(_FACTORS[_TEXT_HASH])
    total += hashed
    numbers = movements.select(
        *(pl.col(name).fill_null(0) for name in _NUMBERS),
        pl.col(_NULLABLE).is_null().cast(pl.Int64).alias(_IS_NULL),
        *(_length(name).alias(told) for name, told in zip((*_ID, *_TEXTS), _LENGTHS, strict=True)),
    )
    for column in numbers:
        total += column.to_numpy().view(np.uint64) * np.uint64(_FACTORS[column.name])
    for shift, factor in _MIX:
        total ^= total >> np.uint64(shift)
        total *= np.uint64(factor)
    return total ^ total >> np.uint64(_LAST_SHIFT)


def row_hash_in_sql(table: str) -> str:
    """The same as an expression of ClickHouse over the columns of the table with that name. Numbers and users of rows that
    occurred before the parameter `kept_from` (microseconds) are passed over, whether they are there or not."""
    columns = {name: f"{table}.{name}" for name in (*_ID, *_TEXTS, *_NUMBERS)}
    for name in PERSONAL:
        columns[name] = f"if(toUnixTimestamp64Micro({table}.occurred_at) < {{kept_from:Int64}}, NULL, {columns[name]})"
    columns |= {
        "movement_id": f"toString({table}.movement_id)",
        "corrected_movement_id": f"toString({table}.corrected_movement_id)",
        "occurred_at": f"toUnixTimestamp64Micro({table}.occurred_at)",
        "price_nanos": f"reinterpretAsInt64({table}.price)",
        "credit_movement_nanos": f"reinterpretAsInt64({table}.credit_movement)",
        _NULLABLE: f"ifNull(toUnixTimestamp64Micro({table}.{_NULLABLE}), 0)",
    }
    texts = (f"ifNull(toString({columns[name]}), '')" for name in _TEXTS)
    parts = {
        _ID_HASH: f"xxh3(concat({', '.join(columns[name] for name in _ID)}))",
        _TEXT_HASH: f"xxh3(concat({', '.join(texts)}))",
        **{name: f"reinterpretAsUInt64(toInt64({columns[name]}))" for name in _NUMBERS},
        _IS_NULL: f"toUInt64(isNull({table}.{_NULLABLE}))",
        **{
            told: f"ifNull(length({columns[name]}) + 1, 0)"
            for name, told in zip((*_ID, *_TEXTS), _LENGTHS, strict=True)
        },
    }
    mixed = " + ".join(f"{part} * toUInt64({_FACTORS[name]})" for name, part in parts.items())
    for shift, factor in _MIX:
        mixed = f"arrayMap(z -> bitXor(z, bitShiftRight(z, {shift})) * toUInt64({factor}), [{mixed}])[1]"
    return f"arrayMap(z -> bitXor(z, bitShiftRight(z, {_LAST_SHIFT})), [{mixed}])[1]"


def checksum(hashes: Hashes) -> int:
    """The sum of the rows' hashes, 64 bits: the same in any order."""
    return int(hashes.sum(dtype=np.uint64))


def _length(name: str) -> pl.Expr:
    return (pl.col(name).str.len_bytes().cast(pl.Int64) + 1).fill_null(0)
