"""Many accounts that click at once, and one that clicks alone: how soon each has its notification.

`python -m benchmarks.bursts [BURSTS...]`: for each burst so many accounts of 1,500 movements ask for an export at the same
moment; before that some single clicks, one after the other. The exporter is a process of its own. Kafka and ClickHouse share
the machine's processors with it. Rater and sink do not run: they have done all there is to do, so each log has records, and
each group has committed their ends.
"""

import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer

from benchmarks.movements import fill_accounts
from benchmarks.proc import processor_seconds
from benchmarks.product import command, worker
from benchmarks.results import save
from credit_movements import clickhouse, clients
from credit_movements.settings import Settings, settings_of
from credit_movements.stack.servers import servers
from kafka_io.batches import consume_soon
from kafka_io.offsets import OffsetAndNote, assign, commit
from kafka_io.positions import TopicPartition
from kafka_io.producing import produce_all
from kafka_io.reading import log_ends
from schemas.topics import CREDIT_MOVEMENTS, EXPORT_NOTIFICATIONS, EXPORT_REQUESTS, TOP_UP_EVENTS, USAGE_EVENTS

BURSTS = (1, 20, 200, 1_000)
MOVEMENTS = 1_500
SINGLE_CLICKS = 20
# What each group reads.
_DONE = {"rater": (USAGE_EVENTS, TOP_UP_EVENTS), "sink": (CREDIT_MOVEMENTS,)}
_MOST_RECORDS = 1_000
_ASK_EVERY_SECONDS = 0.1
_PATIENCE_SECONDS = 600.0
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Burst:
    """`waits`: from a click to its notification, sorted, in seconds. `processor_seconds`: for one export, by process."""

    waits: Sequence[float]
    seconds: float
    processor_seconds: Mapping[str, float]

    @property
    def exports_per_second(self) -> float:
        return len(self.waits) / self.seconds

    @property
    def exports_per_processor_second(self) -> float:
        """Of all these processes: what a quiet machine would make a second on one processor."""
        return 1 / sum(self.processor_seconds.values())

    def wait(self, share: float) -> float:
        """So many of a hundred waited no longer."""
        return self.waits[min(len(self.waits) - 1, int(len(self.waits) * share / 100))]


def main(bursts: Sequence[int]) -> None:
    print(
        f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {MOVEMENTS:,} movements an account", flush=True
    )
    single, measured = measure(bursts, _print_burst)
    print(
        "\n| accounts at once | exports/s | click to notification, s: median | p99 | longest | exports a processor second |"
    )
    print("|---|---|---|---|---|---|")
    print(f"| 1, {SINGLE_CLICKS} times | | {statistics.median(single):.3f} | | {max(single):.3f} | |")
    for each in measured:
        print(
            f"| {len(each.waits):,} | {each.exports_per_second:,.1f} | {each.wait(50):.3f} | {each.wait(99):.3f}"
            f" | {each.waits[-1]:.3f} | {each.exports_per_processor_second:,.1f} |"
        )
    save("bursts", {"single": single, "bursts": [asdict(each) for each in measured]})


def measure(
    bursts: Sequence[int], on_burst: Callable[[Burst], None] = lambda _: None
) -> tuple[list[float], list[Burst]]:
    """The waits of single clicks on an idle exporter, in seconds, and the bursts, measured one after the other."""
    with _exporting(max(bursts)) as clicks:
        clicks.burst(1)  # all libraries loaded, all clients connected, as in a worker that has been up for a while
        single = []
        for _ in range(SINGLE_CLICKS):
            single += clicks.burst(1).waits
        measured = []
        for count in bursts:
            measured.append(clicks.burst(count))
            on_burst(measured[-1])
        return single, measured


@contextmanager
def _exporting(accounts: int) -> Iterator["_Clicks"]:
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as stack:
        command(stack.environment, "setup")
        settings = settings_of(stack.environment)
        with clickhouse.client(settings) as client:
            names = fill_accounts(client, accounts, MOVEMENTS)
        _leave_nothing_to_do(settings)
        reader = clients.reading_consumer(settings, "bursts", **{"fetch.wait.max.ms": "10"})
        with worker(stack.environment, "credit_movements", "export") as process_id:
            yield _Clicks(settings, reader, names, {"exporter": process_id, **stack.process_ids, "clicks": os.getpid()})
        reader.close()


def _leave_nothing_to_do(settings: Settings) -> None:
    """A record in each partition that rater and sink read, and their groups behind it."""
    producer = clients.producer(settings)
    for group, topics in _DONE.items():
        member = clients.group_consumer(settings, group)
        for topic in topics:
            partitions = [TopicPartition(topic.name, number) for number in range(settings.topic_partitions)]
            for each in partitions:
                produce_all(producer, each.topic, [{"value": b"done"}], each.partition)
            producer.flush()
            commit(member, dict.fromkeys(partitions, OffsetAndNote(1)))
        member.close()


class _Clicks:
    """Clicks, and waits for the notifications. `process_ids`: by the names of the processes that are watched."""

    def __init__(
        self, settings: Settings, reader: Consumer, accounts: Sequence[str], process_ids: Mapping[str, int]
    ) -> None:
        self._reader = reader
        self._accounts = accounts
        self._process_ids = process_ids
        self._producer = clients.producer(settings, **{"linger.ms": 0})
        self._requests = clients.codec(settings, EXPORT_REQUESTS)
        self._notifications = clients.codec(settings, EXPORT_NOTIFICATIONS)
        topic = EXPORT_NOTIFICATIONS.name
        partitions = [TopicPartition(topic, number) for number in range(settings.topic_partitions)]
        assign(reader, log_ends(reader, partitions))

    def burst(self, count: int) -> Burst:
        """So many accounts click at the same moment, after a pause in which all that came before ends."""
        time.sleep(_PAUSE_SECONDS)
        requests = [self._request(account) for account in self._accounts[:count]]
        before, began_at = self._processor_seconds(), time.monotonic()
        clicked_at = {}
        for request_id, message in requests:
            produce_all(self._producer, EXPORT_REQUESTS.name, [message])
            clicked_at[request_id] = time.monotonic()
        arrived = self._arrived(count)
        seconds, after = time.monotonic() - began_at, self._processor_seconds()
        return Burst(
            sorted(self._waits(clicked_at, arrived)),
            seconds,
            {name: (after[name] - before[name]) / count for name in before},
        )

    def _request(self, account: str) -> tuple[str, dict[str, Any]]:
        request_id = str(uuid.uuid4())
        record = {
            "request_id": request_id,
            "account_id": account,
            "requested_at": time.time_ns() // 1000,
            "time_zone": "Europe/Berlin",
            "requested_by": None,
        }
        return request_id, {"key": account.encode(), "value": self._requests.encode_one(record)}

    def _arrived(self, count: int) -> list[tuple[float, bytes | None]]:
        """So many notifications, each with the moment at which it came."""
        arrived: list[tuple[float, bytes | None]] = []
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(arrived) < count:
            assert time.monotonic() < deadline, f"{count - len(arrived)} exports have not ended"
            records = consume_soon(self._reader, _MOST_RECORDS, _ASK_EVERY_SECONDS).records
            arrived += [(time.monotonic(), record.value()) for record in records]
        return arrived

    def _waits(self, clicked_at: Mapping[str, float], arrived: Sequence[tuple[float, bytes | None]]) -> Iterator[float]:
        for arrived_at, value in arrived:
            notification = self._notifications.decode_one(value)
            assert notification["row_count"] == MOVEMENTS, notification
            yield arrived_at - clicked_at[notification["export_id"]]

    def _processor_seconds(self) -> dict[str, float]:
        return {name: processor_seconds(process_id) for name, process_id in self._process_ids.items()}


def _print_burst(burst: Burst) -> None:
    print(
        f"{len(burst.waits):,} at once: {burst.exports_per_second:,.1f} exports/s, median {burst.wait(50):.3f} s,"
        f" longest {burst.waits[-1]:.3f} s; processor s an export: {_plain(burst.processor_seconds)}",
        flush=True,
    )


def _plain(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in seconds.items())


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or BURSTS)
