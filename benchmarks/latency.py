"""How long a usage event takes to become a movement in the log, and a row in ClickHouse.

`python -m benchmarks.latency [--kafka apache|embedded] [--seconds N] [RATE...]`: one rater and one sink, processes as their
operator has them. A publisher, a process too, sends RATE events/s (linger 2 ms) and stamps each with its time of sending
(`occurred_at`, microseconds). This process reads `credit-movements` (read_committed) and notes when each movement came, right
to a millisecond or so. A row is there from the moment when the folder of its part got its name: the file system keeps that time
(steps of 4 ms), and ClickHouse is asked how far each new part reaches in the log, so that nothing asks it all the time.

All share the machine's processors: the last column says how much of one each process took.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.proc import processor_seconds
from benchmarks.product import command, worker
from credit_movements import clients
from credit_movements.demo.company import company
from credit_movements.embedded.ports import free_port
from credit_movements.settings import Settings, settings_of
from credit_movements.stack.servers import servers
from kafka_io.producing import produce
from schemas.topics import CREDIT_MOVEMENTS, USAGE_EVENTS
from schemas.wire import HEADER_BYTES
from tests.jars import NoJarsError
from tests.kafka.apache_kafka import ApacheKafka, fetched_jars

RATES = (100, 1_000, 10_000, 50_000)
SECONDS = 15
WARM_UP_SECONDS = 3
_LINGER_MS = 2
_LOOK_EVERY_SECONDS = 0.02
_STRAGGLERS_SECONDS = 60.0
_TEMPLATES = 5_000
_WARM_UP = (2_000, 8)
_RESULTS = Path(".cache/bench")
# Eight bytes in Avro, as every instant of these years; no other value of the company's.
_MARKER_MICROS = 1_700_000_000_123_457
# The event's id: its length, then 36 characters.
_ID = slice(HEADER_BYTES + 1, HEADER_BYTES + 37)
# Of a part: month, oldest and newest block, level. What was inserted later has higher blocks.
_PART = re.compile(r"\d+_\d+_\d+_\d+$")
_FOLDER = "SELECT data_paths[1] FROM system.tables WHERE database = currentDatabase() AND name = 'credit_movements'"
_NEW_PARTS = """
SELECT _part, log_partition, max(log_offset) FROM credit_movements
WHERE toUInt64(splitByChar('_', _part)[3]) > {last:UInt64} GROUP BY _part, log_partition
"""


@dataclass(frozen=True)
class Latency:
    """At one rate. Milliseconds from publish to movement and to row, [median, 99th percentile]. `published`: events/s that the
    publisher reached. `missing`: of the measured events those that had no movement and row in time. `processors`: how much of
    one each process took."""

    rate: int
    published: float
    events: int
    to_movement_ms: list[float]
    to_row_ms: list[float]
    missing: int
    processors: dict[str, float]


@dataclass(frozen=True)
class World:
    """Servers, rater and sink, all running. `process_ids`: by what they are called."""

    settings: Settings
    templates: Path
    process_ids: dict[str, int]


class Arrivals:
    """The movements that come to the log from now on, and when."""

    def __init__(self, settings: Settings) -> None:
        properties = {"fetch.wait.max.ms": "5", "enable.partition.eof": False}
        self._consumer: Consumer = clients.reading_consumer(settings, "latency", **properties)
        partitions = [TopicPartition(CREDIT_MOVEMENTS.name, each) for each in range(settings.topic_partitions)]
        for each in partitions:
            _, each.offset = self._consumer.get_watermark_offsets(each, timeout=10)
        self._consumer.assign(partitions)
        self.messages: list[Any] = []
        self.at_micros: list[int] = []

    def take(self) -> None:
        """Wait a little for the first one, then take all that are here: `consume` would wait for as many as it is asked for."""
        for count, wait_seconds in ((1, 0.05), (100_000, 0)):
            found = self._consumer.consume(count, wait_seconds)
            self.at_micros += [_now_micros()] * len(found)
            self.messages += found

    @property
    def last(self) -> dict[int, int]:
        """The last offset of each partition that something came from."""
        return {message.partition(): message.offset() for message in self.messages}

    def close(self) -> None:
        self._consumer.close()


class Rows(threading.Thread):
    """Notes how far ClickHouse's rows reach. `reached`: partition of the log → (when, its last offset that was there)."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._client = clients.clickhouse_client(settings)
        self._enough = threading.Event()
        self._folder = Path(self._client.query(_FOLDER).result_rows[0][0])
        self._seen = set(os.listdir(self._folder))
        self._last_block = max((int(name.split("_")[2]) for name in self._seen if _PART.match(name)), default=0)
        self.reached: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def run(self) -> None:
        while not self._enough.wait(_LOOK_EVERY_SECONDS):
            names = {name for name in os.listdir(self._folder) if _PART.match(name)}
            if new := names - self._seen:
                self._seen |= new
                self._ask()

    def _ask(self) -> None:
        """The end of a part's insert is when its folder got its name."""
        found = self._client.query(_NEW_PARTS, parameters={"last": self._last_block}).result_rows
        came_at = {part: (self._folder / part).stat().st_ctime_ns // 1000 for part, _, _ in found}
        for part, partition, offset in sorted(found, key=lambda row: came_at[row[0]]):
            self._last_block = max(self._last_block, int(part.split("_")[2]))
            reached = self.reached[partition]
            if not reached or reached[-1][1] < offset:
                reached.append((came_at[part], offset))

    def hold(self, last: dict[int, int]) -> bool:
        """Whether the movements of these offsets, and so all before them, are rows. `last`: by partition."""
        return all(self.reached[each][-1][1] >= offset for each, offset in last.items() if self.reached[each]) and all(
            self.reached[each] for each in last
        )

    def times(self, positions: list[tuple[int, int]]) -> npt.NDArray[np.int64]:
        """When the movements at (partition, offset) were first seen as rows, microseconds; 0: never."""
        times = []
        for partition, offset in positions:
            place = bisect_left(self.reached[partition], offset, key=itemgetter(1))
            times.append(self.reached[partition][place][0] if place < len(self.reached[partition]) else 0)
        return np.array(times)

    def finish(self) -> None:
        self._enough.set()
        self.join()
        self._client.close()


def main(kafka: str, seconds: int, rates: list[int]) -> None:
    results = []
    with tempfile.TemporaryDirectory() as name, _world(Path(name), kafka) as world:
        _measure(world, *_WARM_UP)
        print("| events/s | published/s | to movement, ms: p50, p99 | to row, ms: p50, p99 | missing | processors |")
        print("|---|---|---|---|---|---|", flush=True)
        for rate in rates:
            results.append(_measure(world, rate, seconds))
            _print(results[-1])
    _RESULTS.mkdir(parents=True, exist_ok=True)
    (_RESULTS / f"latency-{kafka}.json").write_text(json.dumps([asdict(each) for each in results], indent=1))


def _print(found: Latency) -> None:
    movement, row = (f"{p50:,.0f}, {p99:,.0f}" for p50, p99 in (found.to_movement_ms, found.to_row_ms))
    processors = ", ".join(f"{name} {share:.2f}" for name, share in found.processors.items())
    missing = f"{found.missing} of {found.events:,}"
    print(f"| {found.rate:,} | {found.published:,.0f} | {movement} | {row} | {missing} | {processors} |", flush=True)


@contextmanager
def _world(folder: Path, kafka: str) -> Iterator[World]:
    with servers(folder) as stack, _broker(folder, kafka) as broker:
        bootstrap = {} if broker is None else {"CREDIT_KAFKA_BOOTSTRAP_SERVERS": broker[0]}
        environment = {**stack.environment, **bootstrap}
        settings = settings_of(environment)
        templates = _prepare(settings, environment, folder)
        with (
            worker(environment, "credit_movements", "rate") as rater,
            worker(environment, "credit_movements", "sink") as sink,
        ):
            kafka_id = stack.process_ids["kafka"] if broker is None else broker[1]
            ids = {"kafka": kafka_id, "rater": rater, "sink": sink, "clickhouse": stack.process_ids["clickhouse"]}
            yield World(settings, templates, ids)


@contextmanager
def _broker(folder: Path, kafka: str) -> Iterator[tuple[str, int] | None]:
    """Apache Kafka's address and process; None: the embedded one, which is there anyway."""
    if kafka == "embedded":
        yield None
        return
    broker = ApacheKafka(folder / "apache-kafka", fetched_jars(), free_port(), free_port())
    broker.format()
    with broker.running(folder / "logs") as child:
        yield broker.bootstrap_servers, child.process_id


def _prepare(settings: Settings, environment: dict[str, str], folder: Path) -> Path:
    """Topics, prices, and the company's good usage events for the publisher to fill in."""
    made = company(_now_micros(), events=_TEMPLATES)
    deck, templates = folder / "rates.csv", folder / "templates.json"
    deck.write_text(made.rate_deck, encoding="utf-8")
    command(environment, "setup")
    command(environment, "rates", "publish", deck)
    good = made.usage_events.filter(pl.col("outcome") == "movement").drop("outcome")
    values = clients.codec(settings, USAGE_EVENTS).encode(good.with_columns(occurred_at=pl.lit(_MARKER_MICROS)))
    templates.write_text(json.dumps([[k, v.hex()] for k, v in zip(good["account_id"], values, strict=True)]))
    return templates


def _measure(world: World, rate: int, seconds: int) -> Latency:
    """Publish for the warm-up and `seconds`, and wait for the last row."""
    arrivals, rows = Arrivals(world.settings), Rows(world.settings)
    rows.start()
    arguments = (str(world.settings.kafka_bootstrap_servers), str(world.templates), str(rate), str(seconds))
    line = [sys.executable, "-m", "benchmarks.latency", "publish", *arguments]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as publisher:
        process_ids = {**world.process_ids, "publisher": publisher.pid, "this": os.getpid()}
        while not arrivals.messages and publisher.poll() is None:
            arrivals.take()
        used, began_at = _Used(process_ids), time.monotonic()
        while time.monotonic() - began_at < seconds + WARM_UP_SECONDS - 1:
            arrivals.take()
        processors = used.processors()
        while publisher.poll() is None:
            arrivals.take()
        assert publisher.stdout is not None
        sent, published = publisher.stdout.read().split()
    deadline = time.monotonic() + _STRAGGLERS_SECONDS
    while time.monotonic() < deadline and len(arrivals.messages) < int(sent):
        arrivals.take()
    last = arrivals.last
    while time.monotonic() < deadline and not rows.hold(last):
        time.sleep(_LOOK_EVERY_SECONDS)
    rows.finish()
    arrivals.close()
    return _latency(world.settings, rate, float(published), seconds, arrivals, rows, processors)


class _Used:
    """How much processor time processes take from now on."""

    def __init__(self, process_ids: dict[str, int]) -> None:
        self._process_ids = process_ids
        self._at_first = {name: processor_seconds(each) for name, each in process_ids.items()}
        self._began_at = time.monotonic()

    def processors(self) -> dict[str, float]:
        seconds = time.monotonic() - self._began_at
        return {
            name: (processor_seconds(each) - self._at_first[name]) / seconds for name, each in self._process_ids.items()
        }


def _latency(
    settings: Settings,
    rate: int,
    published: float,
    seconds: int,
    arrivals: Arrivals,
    rows: Rows,
    processors: dict[str, float],
) -> Latency:
    values = [message.value() for message in arrivals.messages]
    sent_at = clients.codec(settings, CREDIT_MOVEMENTS).decode(values).rows["occurred_at"].to_numpy()
    arrived_at = np.array(arrivals.at_micros)
    stored_at = rows.times([(message.partition(), message.offset()) for message in arrivals.messages])
    began = sent_at.min() + WARM_UP_SECONDS * 10**6
    measured = (sent_at >= began) & (sent_at < began + seconds * 10**6)
    stored = measured & (stored_at > 0)
    expected = int(published * seconds)
    return Latency(
        rate,
        published,
        int(measured.sum()),
        _percentiles_ms(arrived_at[measured] - sent_at[measured]),
        _percentiles_ms(stored_at[stored] - sent_at[stored]),
        max(0, expected - int(stored.sum())),
        processors,
    )


def _percentiles_ms(micros: npt.NDArray[np.int64]) -> list[float]:
    return [float(each) / 1000 for each in np.percentile(micros, [50, 99])] if len(micros) else [math.nan, math.nan]


def publish(bootstrap: str, templates: str, rate: int, seconds: int) -> None:
    """Send `rate` events/s for the warm-up and `seconds`; prints how many they were and how many a second."""
    marker = varint(_MARKER_MICROS)
    parts = []
    for account, text in json.loads(Path(templates).read_text()):
        head, tail = bytes.fromhex(text).split(marker)
        parts.append((account.encode(), head[: _ID.start], head[_ID.stop :], tail))
    run = uuid.uuid4().hex[:8]
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": _LINGER_MS, "enable.idempotence": True, "partitioner": "murmur2_random",
         "queue.buffering.max.messages": 1_000_000}
    )  # fmt: skip
    total, sent = rate * (seconds + WARM_UP_SECONDS), 0
    began_at = time.monotonic()
    while sent < total:
        due = min(total, int((time.monotonic() - began_at) * rate) + 1)
        stamp = varint(_now_micros())
        for number in range(sent, due):
            account, before, between, after = parts[number % len(parts)]
            event_id = f"{run}-0000-4000-8000-{number:012d}".encode()
            produce(producer, USAGE_EVENTS.name, key=account, value=b"".join((before, event_id, between, stamp, after)))
        sent = due
        producer.poll(0)
        time.sleep(max(0.001, began_at + sent / rate - time.monotonic()))
    per_second = sent / (time.monotonic() - began_at)
    producer.flush()
    print(sent, per_second)


def varint(number: int) -> bytes:
    """A positive long, as Avro writes it."""
    rest, octets = number << 1, bytearray()
    while rest > 0x7F:
        octets.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*octets, rest])


def _now_micros() -> int:
    return time.time_ns() // 1000


if __name__ == "__main__":
    if sys.argv[1:2] == ["publish"]:
        publish(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("--kafka", choices=("apache", "embedded"), default="apache")
        parser.add_argument("--seconds", type=int, default=SECONDS)
        parser.add_argument("rates", type=int, nargs="*", default=RATES)
        given = parser.parse_args()
        try:
            main(given.kafka, given.seconds, list(given.rates))
        except NoJarsError as reason:
            sys.exit(f"not measured on Apache Kafka: {reason}")
