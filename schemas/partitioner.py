"""The partition of an account: murmur2 over its UTF-8 bytes, as Java's partitioner, Faust and the Kafka tools have it."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from schemas.arrow import numpy_of

_SEED = 0x9747B28C
_MULTIPLIER = np.uint32(0x5BD1E995)
_TO_POSITIVE = np.uint32(0x7FFFFFFF)

_Hashes = npt.NDArray[np.uint32]


def account_partition(account_id: str, partitions: int) -> int:
    """The partition number of one account."""
    key = np.array([*account_id.encode()], dtype=np.uint8, ndmin=2)
    return int(_positive(_murmur2(key))[0]) % partitions


def account_partitions(account_ids: pl.Series, partitions: int) -> npt.NDArray[np.int64]:
    """The partition number of each of `account_ids` (strings, no nulls): an int64 array of the same length."""
    encoded: pa.DictionaryArray = account_ids.to_arrow().dictionary_encode()
    distinct = pl.Series(encoded.dictionary.cast(pa.large_string()))
    numbers: npt.NDArray[np.int64] = _partitions(distinct, partitions)[numpy_of(encoded.indices)]
    return numbers


def _partitions(keys: pl.Series, partitions: int) -> npt.NDArray[np.int64]:
    hashes = np.zeros(len(keys), dtype=np.uint32)
    lengths = keys.str.len_bytes().to_numpy()
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        joined = "".join(keys.gather(rows)).encode()
        hashes[rows] = _murmur2(np.frombuffer(joined, dtype=np.uint8).reshape(len(rows), length))
    return _positive(hashes) % partitions


def _positive(hashes: _Hashes) -> npt.NDArray[np.int64]:
    return (hashes & _TO_POSITIVE).astype(np.int64)


def _murmur2(keys: npt.NDArray[np.uint8]) -> _Hashes:
    """MurmurHash2 (32 bit, Kafka's seed) of equally long keys: uint8 of shape (keys, length)."""
    count, length = keys.shape
    hashes = np.full(count, _SEED ^ length, dtype=np.uint32)
    whole = length - length % 4
    words = np.ascontiguousarray(keys[:, :whole]).view("<u4")
    for column in range(words.shape[1]):
        word = words[:, column] * _MULTIPLIER
        word ^= word >> np.uint32(24)
        hashes = hashes * _MULTIPLIER ^ word * _MULTIPLIER
    for position in range(length - 1, whole - 1, -1):
        hashes ^= keys[:, position].astype(np.uint32) << np.uint32(8 * (position - whole))
    if length > whole:
        hashes *= _MULTIPLIER
    hashes ^= hashes >> np.uint32(13)
    hashes *= _MULTIPLIER
    return hashes ^ hashes >> np.uint32(15)
