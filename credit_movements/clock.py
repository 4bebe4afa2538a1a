"""The machine's clock. Only the root reads it: everything below gets it as a parameter."""

import time


def now_micros() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000
