"""A worker under measurement: a process of its own, watched by its own metrics page."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.proc import has_ended, peak, processor_seconds
from benchmarks.product import metric, worker

_ASK_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class Measured:
    """`per_second` over the time from the first to the last batch, `per_processor_second` over the processor time that it
    took meanwhile, which the machine's other processes slow down less; the most memory in MiB."""

    per_second: float
    per_processor_second: float
    memory_peak: float


def measure(command: Sequence[str], environment: Mapping[str, str], port: int, counter: str, count: int) -> Measured:
    """Run `python -m COMMAND` until its counter says `count`."""
    with worker(environment, *command) as process_id:
        return _watch(process_id, port, counter, count)


def _watch(process_id: int, port: int, counter: str, count: int) -> Measured:
    # From the start, if no look finds it between the first batch and the last.
    first_count, first_at, first_processor = 0.0, time.monotonic(), processor_seconds(process_id)
    while (done := metric(port, counter)) < count:
        assert not has_ended(process_id), f"the worker ended at {done:,.0f} of {count:,}"
        if done and not first_count:
            first_count, first_at, first_processor = done, time.monotonic(), processor_seconds(process_id)
        time.sleep(_ASK_EVERY_SECONDS)
    seconds, processor = time.monotonic() - first_at, processor_seconds(process_id) - first_processor
    measured = done - first_count
    return Measured(measured / seconds, measured / processor, peak(process_id))
