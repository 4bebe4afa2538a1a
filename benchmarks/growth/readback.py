"""How long a rater whose store is lost takes from being assigned its partition until it rates it.

`python -m benchmarks.growth.readback`: with ten times the history, then with ten times the ids. On Apache Kafka: the embedded
broker finds no offset by its time, so there all is read.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from confluent_kafka import Producer

from benchmarks.growth import Growth
from benchmarks.growth.shown import show
from benchmarks.product import command, metric, worker
from benchmarks.stack import APACHE, stack
from credit_movements import clients
from credit_movements.settings import Settings, settings_of, variable
from schemas.topics import CREDIT_MOVEMENTS, RATES, TOP_UP_EVENTS, USAGE_EVENTS, Topic
from tests.jars import NoJarsError

_IDS = 100_000
_PIECE = 50_000
# Long before what an event may still repeat.
_HISTORY_DAYS = 100
_DAY_MICROS = 86_400 * 10**6
_LOOK_EVERY_SECONDS = 0.02
_GIVE_UP_AFTER_SECONDS = 300.0
_RATE = {
    "rate_card_id": "default", "usage_type": "call", "destination_prefix": "", "destination_name": "", "unit": "seconds",
    "unit_size": 1, "initial_increment": 1, "increment": 1, "price_nanos": 1000, "price_units": 1, "currency": "EUR",
    "effective_from": 0, "effective_to": None,
}  # fmt: skip
_USAGE = {
    "account_id": "acme", "usage_type": "call", "quantity": 61, "destination": "+4915112345", "user_id": None,
}  # fmt: skip
_TOP_UP = {"account_id": "acme", "interaction_id": "payment", "amount_nanos": 10**10, "currency": "EUR"}
_MOVEMENT = {
    "account_id": "acme", "description": "call", "quantity": 61, "destination": "+4915112345", "user_id": None,
    "unit": "seconds", "units_charged": 61, "price_nanos": 1000, "price_units": 1, "credit_movement_nanos": -61_000,
    "currency": "EUR", "rate_card_id": "default", "destination_prefix": "", "rate_effective_from": 0,
    "source_topic": "usage-events", "source_partition": 0, "corrected_movement_id": None, "reason": None,
    "direction": None, "from_number": None, "campaign_id": None, "destination_name": None,
}  # fmt: skip


class _Partition:
    """A partition of each topic on servers of its own, and the rater that has it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._settings: Settings = settings_of(environment)
        self._rated = 0

    def begin(self, history: int) -> None:
        """`history`: so many movements are in the log, a hundred days old."""
        command(self._environment, "setup")
        at = time.time_ns() // 1000 - _HISTORY_DAYS * _DAY_MICROS
        for first in range(0, history, _PIECE):
            numbers = range(first, min(first + _PIECE, history))
            of_each = {"movement_id": _ids(1, numbers), "interaction_id": _ids(1, numbers), "source_offset": numbers}
            self._send(CREDIT_MOVEMENTS, {**_MOVEMENT, **of_each, "occurred_at": at}, at)
        self._send(RATES, {**_RATE, "rate_card_id": ["default"]})

    def rate(self, count: int) -> None:
        """So many more ids come to be remembered."""
        now = time.time_ns() // 1000
        top_up = {**_TOP_UP, "event_id": _ids(2, range(self._rated, self._rated + 1)), "occurred_at": now}
        with self._rater():
            # It begins with empty topics, so that it knows them from the start.
            self._wait("credit_partitions_rated", 1)
            self._send(TOP_UP_EVENTS, top_up)
            for first in range(0, count, _PIECE):
                numbers = range(self._rated + first, self._rated + min(first + _PIECE, count))
                of_each = {"event_id": _ids(3, numbers), "interaction_id": _ids(3, numbers)}
                self._send(USAGE_EVENTS, {**_USAGE, **of_each, "occurred_at": now})
            self._wait("credit_movements_total", count + 1)
        self._rated += count + 1

    def seconds_until_it_rates(self, *, with_store: bool) -> float:
        if not with_store:
            shutil.rmtree(self._settings.data_dir / "seen")
        with self._rater():
            self._wait("credit_partitions_assigned", 1)
            assigned_at = time.monotonic()
            self._wait("credit_partitions_rated", 1)
            return time.monotonic() - assigned_at

    def _rater(self) -> Any:
        return worker(self._environment, "credit_movements", "rate")

    def _wait(self, sample: str, at_least: int) -> None:
        give_up_at = time.monotonic() + _GIVE_UP_AFTER_SECONDS
        while metric(self._settings.rater_http_port, sample) < at_least:
            assert time.monotonic() < give_up_at, f"{sample} never came to {at_least}"
            time.sleep(_LOOK_EVERY_SECONDS)

    def _send(self, topic: Topic, columns: dict[str, Any], at_micros: int | None = None) -> None:
        codec = clients.codec(self._settings, topic)
        records = pl.DataFrame({name: columns[name] for name in codec.dtypes}, schema=codec.dtypes)
        producer: Producer = clients.producer(self._settings)
        more = {} if at_micros is None else {"timestamp": at_micros // 1000}
        for value in codec.encode(records):
            producer.produce(topic.name, value, key="acme", partition=0, **more)
        assert producer.flush(_GIVE_UP_AFTER_SECONDS) == 0


def _ids(kind: int, numbers: range) -> list[str]:
    return [f"{kind:08x}-0000-4000-8000-{number:012x}" for number in numbers]


@contextmanager
def _partition(history: int, ids: int) -> Iterator[_Partition]:
    with tempfile.TemporaryDirectory() as name, stack(Path(name), APACHE) as servers:
        partition = _Partition({**servers.environment, variable("topic_partitions"): "1"})
        partition.begin(history)
        partition.rate(ids)
        yield partition


def measured(quick: bool) -> list[Growth]:
    """Nothing where there is no Apache Kafka."""
    ids = _IDS // 10 if quick else _IDS
    try:
        with _partition(ids, ids) as partition:
            short = partition.seconds_until_it_rates(with_store=False)
        with _partition(10 * ids, ids) as partition:
            long = partition.seconds_until_it_rates(with_store=False)
            with_store = partition.seconds_until_it_rates(with_store=True)
            partition.rate(9 * ids)
            many = partition.seconds_until_it_rates(with_store=False)
            with_many = partition.seconds_until_it_rates(with_store=True)
    except NoJarsError as reason:
        print(f"not measured without Apache Kafka: {reason}", file=sys.stderr)
        return []
    sizes = f"{ids:,} / {10 * ids:,}"
    return [
        Growth("a lost store, until its partition is rated", f"history {sizes}, {ids:,} ids", short, long, "s", 1.3),
        Growth("a lost store, until its partition is rated", f"ids {sizes}", long, many, "s", 10.0),
        Growth("a kept store, until its partition is rated", f"ids {sizes}", with_store, with_many, "s", 1.3),
    ]


if __name__ == "__main__":
    show(measured(quick=False))
