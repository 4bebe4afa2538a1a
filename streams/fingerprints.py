"""Two hashes of an event: who it is, and what it says.

Both are XXH3 of 64 bits over a text made of the decoded fields. A field that is null adds nothing to the text, so that an
event keeps its hash when the schema gains a nullable field.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import polars as pl
from xxhash import xxh3_64_intdigest

Hashes = npt.NDArray[np.uint64]

# Recorded beside every stored hash: change it together with anything below that changes a hash.
ALGORITHM = "xxh3-64/1"
_CONTENT = (
    "source_topic",
    "interaction_id",
    "usage_type",
    "quantity",
    "destination",
    "occurred_at",
    "user_id",
    "amount_nanos",
    "currency",
)


def id_hashes(events: pl.DataFrame) -> Hashes:
    """The hash of (account_id, event_id) of each row."""
    return _hashes(events.select(pl.concat_str("event_id", "account_id", separator="|")).to_series())


def content_hashes(events: pl.DataFrame) -> Hashes:
    """The hash of everything else that the publisher said of each row (EVENT_COLUMNS without the place in the log)."""
    return _hashes(events.select(pl.concat_str(_field_texts(_CONTENT))).to_series())


def _field_texts(names: Iterable[str]) -> list[pl.Expr]:
    texts = []
    for name in names:
        text = pl.col(name).cast(pl.String)
        # The length keeps apart what two neighbouring fields could otherwise share out differently.
        texts.append(pl.concat_str(pl.lit(f"{name}="), text.str.len_bytes(), pl.lit(":"), text).fill_null(""))
    return texts


def _hashes(texts: pl.Series) -> Hashes:
    return np.fromiter(map(xxh3_64_intdigest, texts.cast(pl.Binary).to_list()), dtype=np.uint64, count=len(texts))
