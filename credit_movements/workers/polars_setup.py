"""How Polars is set up in a rater, by variables of the environment that it reads when it is imported."""

import os
from typing import Final

POLARS_OF_A_RATER: Final = {
    # A rater's work is a row of small steps: with threads of its own for each of them Polars takes processor time from Kafka's
    # client. Measured: this saves a twelfth of the rater's time.
    "POLARS_MAX_THREADS": "1",
    # Each batch needs as much memory as the one before, so Polars' allocator keeps what is freed: a twentieth.
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1",
}


def set_up_polars() -> None:
    """What the operator has set stays as it is. Call it before Polars is imported."""
    for name, text in POLARS_OF_A_RATER.items():
        os.environ.setdefault(name, text)
