"""What is measured: the rater, the loop that only copies, and each peer, all processes of their own."""

import json
import math
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from confluent_kafka.cimpl import NewTopic

from benchmarks.proc import has_ended, peak, processor_seconds
from benchmarks.product import worker
from benchmarks.rating.traffic import Traffic
from benchmarks.results import PEERS_PYTHON
from benchmarks.worker import measure
from credit_movements import clients
from credit_movements.settings import required
from credit_movements.workers.polars_setup import POLARS_OF_A_RATER
from schemas.topics import USAGE_EVENTS

# What they are called → the module of `benchmarks.peers`.
PEERS = {
    "plain loop": "plain_loop",
    "Quix Streams": "quix",
    "Bytewax": "bytewax_flow",
    "Faust": "faust_agent",
}
_RATER = ("credit_movements", "rate")
_WITHOUT_DEDUPLICATION = ("benchmarks.rating.without_deduplication",)
_RATED = "credit_events_consumed_total"
_ASK_EVERY_SECONDS = 0.1
_FIRST_WITHIN_SECONDS = 60.0
_DONE_AFTER_SECONDS = 4.0


@dataclass(frozen=True)
class Figures:
    """Events per second from the first to the last batch, and per second of processor time meanwhile; the most memory, MiB."""

    per_second: float
    per_processor_second: float
    peak_memory: float


class PeerFailedError(Exception):
    """A peer ended, or wrote nothing: the last line that it had to say."""


def rater(traffic: Traffic, without_deduplication: bool = False) -> Figures:
    arguments = _WITHOUT_DEDUPLICATION if without_deduplication else _RATER
    # Both alike: the one that is taken apart does not start by the command.
    environment = {**POLARS_OF_A_RATER, **traffic.environment}
    found = measure(arguments, environment, traffic.settings.rater_http_port, _RATED, traffic.count)
    return Figures(found.per_second, found.per_processor_second, found.memory_peak)


def copying(traffic: Traffic) -> Figures:
    target = make_topic(traffic, "copies")
    arguments = (str(traffic.settings.kafka_bootstrap_servers), USAGE_EVENTS.name, target, str(traffic.count))
    copier = (sys.executable, "-m", "benchmarks.rating.passthrough", *arguments)
    return Figures(**json.loads(subprocess.run(copier, check=True, capture_output=True, text=True).stdout))


def peer(traffic: Traffic, name: str, seconds: float, python: Path = PEERS_PYTHON) -> Figures:
    """Of one of PEERS, until it has done all, but not longer than `seconds`. Raises PeerFailedError."""
    target = make_topic(traffic, topic_of(name))
    settings, log = traffic.settings, traffic.folder / f"{PEERS[name]}.log"
    servers = (settings.kafka_bootstrap_servers, required(settings, "schema_registry_url"))
    arguments = (*servers, traffic.deck, traffic.plans, target)
    module = f"benchmarks.peers.{PEERS[name]}"
    with worker({}, module, *map(str, arguments), python=python, log=log) as process_id:
        found = _watched(traffic, target, process_id, seconds)
    if found is None:
        said = log.read_text().strip().splitlines()
        raise PeerFailedError(f"{name}: {said[-1] if said else 'it wrote nothing'}")
    return found


def topic_of(name: str) -> str:
    return f"movements-{PEERS[name]}"


def make_topic(traffic: Traffic, name: str) -> str:
    # The client must outlive its answer.
    kafka = clients.admin(traffic.settings)
    kafka.create_topics([NewTopic(name, traffic.settings.topic_partitions, 1)])[name].result()
    return name


def _watched(traffic: Traffic, target: str, process_id: int, seconds: float) -> Figures | None:
    """The ends of its topic say how much a peer has done, since its writing is not transactional. None: it has failed."""
    kafka, partitions = clients.admin(traffic.settings), traffic.settings.topic_partitions
    give_up_at = time.monotonic() + _FIRST_WITHIN_SECONDS
    while not (first := _written(kafka, target, partitions)):
        if has_ended(process_id) or time.monotonic() > give_up_at:
            return None
        time.sleep(_ASK_EVERY_SECONDS)
    first_at, first_processor = time.monotonic(), processor_seconds(process_id)
    done, done_at, processor = first, first_at, first_processor
    # The embedded broker may for ever name an end that is a little too low.
    while done < traffic.count and time.monotonic() < min(first_at + seconds, done_at + _DONE_AFTER_SECONDS):
        time.sleep(_ASK_EVERY_SECONDS)
        if has_ended(process_id):
            return None
        if (written := _written(kafka, target, partitions)) > done:
            done, done_at, processor = written, time.monotonic(), processor_seconds(process_id)
    count = done - first
    speeds = (count / (done_at - first_at), count / (processor - first_processor)) if count else (math.nan, math.nan)
    return Figures(*speeds, peak(process_id))


def _written(kafka: AdminClient, topic: str, partitions: int) -> int:
    asked = {TopicPartition(topic, each): OffsetSpec.latest() for each in range(partitions)}
    try:
        return sum(answer.result().offset for answer in kafka.list_offsets(asked).values())
    except KafkaException:
        # A topic that was made just now.
        return 0
