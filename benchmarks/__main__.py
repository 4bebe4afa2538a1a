"""Events per second from Kafka to Kafka and rows per second into ClickHouse, on the embedded stack.

`python -m benchmarks [EVENTS]`: the rater and the loop that only copies run in turn, so that their ratio holds on a noisy
machine. The broker, and for the sink ClickHouse, share the machine's processors with the worker that is measured.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.cimpl import NewTopic

from benchmarks.product import command
from benchmarks.spoiling import SpoilingCodec
from benchmarks.table import line, ratio_line
from benchmarks.worker import Measured, measure
from credit_movements import clients
from credit_movements.demo.company import company
from credit_movements.demo.traffic import publish
from credit_movements.settings import Settings, settings_of
from credit_movements.stack.servers import servers
from schemas.codec import RecordCodec
from schemas.registry import SubjectSchemas
from schemas.topics import ACCOUNT_PLANS, TOP_UP_EVENTS, USAGE_EVENTS

EVENTS = 1_000_000
ROUNDS = 3
_RATER = ("credit_movements", "rate")
_WITHOUT_DEDUPLICATION = ("benchmarks.without_deduplication",)
_SINK = ("credit_movements", "sink")
_RATED = "credit_events_consumed_total"
_STORED = "credit_sink_rows_inserted_total"


@dataclass(frozen=True)
class Round:
    """Events or rows per second of everything, measured one after the other."""

    copying: float
    rater: Measured
    spoiled: Measured
    without_deduplication: Measured
    sink: Measured


def main(events: int) -> None:
    print(
        f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {events:,} events, {ROUNDS} rounds", flush=True
    )
    rounds = [_round(number, events) for number in range(1, ROUNDS + 1)]
    print("\n| what | median | range |\n|---|---|---|")
    line("rater, Kafka to Kafka, events/s", [each.rater.per_second for each in rounds])
    line("only copying the same bytes, events/s", [each.copying for each in rounds])
    line("rater without deduplication, events/s", [each.without_deduplication.per_second for each in rounds])
    line("rater, 2 % of the messages spoiled, events/s", [each.spoiled.per_second for each in rounds])
    ratio_line("rater / copying", [each.rater.per_second / each.copying for each in rounds])
    ratio_line(
        "rater / rater without deduplication",
        [each.rater.per_second / each.without_deduplication.per_second for each in rounds],
    )
    ratio_line(
        "rater, 2 % spoiled / none spoiled", [each.spoiled.per_second / each.rater.per_second for each in rounds]
    )
    ratio_line(
        "the same by the rater's processor time",
        [each.spoiled.per_processor_second / each.rater.per_processor_second for each in rounds],
    )
    line("sink, Kafka to ClickHouse, rows/s", [each.sink.per_second for each in rounds])
    _memory_line("rater", [each.rater for each in rounds])
    _memory_line("sink", [each.sink for each in rounds])


def _round(number: int, events: int) -> Round:
    with _traffic(events) as (settings, environment, count, movements):
        copying = _copying(settings, events)
        rater = measure(_RATER, environment, settings.rater_http_port, _RATED, count)
        sink = measure(_SINK, environment, settings.sink_http_port, _STORED, movements)
    with _traffic(events, SpoilingCodec) as (settings, environment, count, _):
        spoiled = measure(_RATER, environment, settings.rater_http_port, _RATED, count)
    with _traffic(events) as (settings, environment, count, _):
        without_deduplication = measure(_WITHOUT_DEDUPLICATION, environment, settings.rater_http_port, _RATED, count)
    print(
        f"round {number}: rater {rater.per_second:,.0f}/s, 2 % spoiled {spoiled.per_second:,.0f}/s,"
        f" without deduplication {without_deduplication.per_second:,.0f}/s,"
        f" copying {copying:,.0f}/s, sink {sink.per_second:,.0f}/s",
        flush=True,
    )
    return Round(copying, rater, spoiled, without_deduplication, sink)


@contextmanager
def _traffic(
    events: int, codec_of_usage: type[RecordCodec] = RecordCodec
) -> Iterator[tuple[Settings, dict[str, str], int, int]]:
    """Servers of their own, the traffic published; the number of messages and of their movements."""
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as stack:
        settings = settings_of(stack.environment)
        yield settings, stack.environment, *_publish(settings, stack.environment, Path(name), events, codec_of_usage)


def _publish(
    settings: Settings, environment: dict[str, str], folder: Path, events: int, codec_of_usage: type[RecordCodec]
) -> tuple[int, int]:
    """Publish the made-up company's traffic; gives the number of messages and of the movements that they become."""
    made = company(time.time_ns() // 1000, events=events)
    deck, plans = folder / "rates.csv", folder / "plans.jsonl"
    deck.write_text(made.rate_deck, encoding="utf-8")
    made.plans.write_ndjson(plans)
    command(environment, "setup")
    command(environment, "rates", "publish", deck)
    command(environment, "publish", ACCOUNT_PLANS.name, plans)
    usage = codec_of_usage(USAGE_EVENTS, SubjectSchemas(clients.registry(settings)))
    top_ups = clients.codec(settings, TOP_UP_EVENTS)
    count = publish(made, clients.producer(settings), usage, top_ups, settings.topic_partitions)
    return count, sum(made.expected(topic).movements for topic in (USAGE_EVENTS, TOP_UP_EVENTS))


def _copying(settings: Settings, events: int) -> float:
    kafka = clients.admin(settings)
    kafka.create_topics([NewTopic("copies", settings.topic_partitions, 1)])["copies"].result()
    arguments = (str(settings.kafka_bootstrap_servers), USAGE_EVENTS.name, "copies", str(events))
    copier = (sys.executable, "-m", "benchmarks.passthrough", *arguments)
    count, seconds = subprocess.run(copier, check=True, capture_output=True, text=True).stdout.split()
    return int(count) / float(seconds)


def _memory_line(what: str, measured: list[Measured]) -> None:
    half_way = statistics.median(each.memory_half_way for each in measured)
    at_end = statistics.median(each.memory_at_end for each in measured)
    print(f"| {what}, memory half-way and at the end, MiB | {half_way:,.0f} and {at_end:,.0f} | |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)
