"""A worker under measurement: a process of its own, watched by its own metrics page."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.proc import memory
from credit_movements.demo.progress import counted
from credit_movements.embedded.launch import tethered

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Measured:
    """`per_second` over the time from the first to the last batch; memory in MiB at half of the way and at the end."""

    per_second: float
    memory_half_way: float
    memory_at_end: float


def measure(command: Sequence[str], environment: Mapping[str, str], port: int, counter: str, count: int) -> Measured:
    """Run `python -m COMMAND` until its counter says `count`."""
    process = subprocess.Popen(
        tethered((sys.executable, "-m", *command)), env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return _watch(process.pid, port, counter, count)
    finally:
        process.terminate()
        process.wait()


def _watch(process_id: int, port: int, counter: str, count: int) -> Measured:
    first_count, first_at = 0, 0.0
    half_way = 0.0
    while (done := counted(port, counter)) < count:
        if done and not first_count:
            first_count, first_at = done, time.monotonic()
        if done >= count // 2 and not half_way:
            half_way = memory(process_id)
        time.sleep(_POLL_SECONDS)
    seconds = time.monotonic() - first_at
    return Measured((done - first_count) / seconds, half_way, memory(process_id))
