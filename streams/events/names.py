"""From a column of names to numbers, looking each distinct name up once."""

import numpy as np
import polars as pl
import pyarrow as pa

from streams.events.sorted_keys import NONE, Ints


def indexed(names: pl.Series, index: dict[str, int]) -> Ints:
    """The index of each name (strings, nulls allowed), NONE where `index` does not have it."""
    encoded: pa.DictionaryArray = names.to_arrow().dictionary_encode()
    numbers = [index.get(name, NONE) for name in encoded.dictionary.to_pylist()]
    # Arrow's own `fill_null` imports pandas, which takes a second.
    codes = pl.Series(encoded.indices).fill_null(len(numbers)).to_numpy()
    found: Ints = np.array([*numbers, NONE], dtype=np.int64)[codes]
    return found
