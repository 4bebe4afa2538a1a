"""Several workers of one kind at work side by side, each a process with a folder and a port of its own."""

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from benchmarks.proc import has_ended, processor_seconds
from benchmarks.product import metric, worker
from credit_movements.embedded.ports import free_port
from credit_movements.settings import variable

_ASK_EVERY_SECONDS = 0.05
_READY_WITHIN_SECONDS = 180.0
_ANSWER_SECONDS = 2.0


@dataclass(frozen=True)
class Kind:
    """`counter`: of its metrics page, how many records it has done."""

    command: str
    group: str
    port_setting: str
    counter: str


RATERS = Kind("rate", "rater", "rater_http_port", "credit_events_consumed_total")
SINKS = Kind("sink", "sink", "sink_http_port", "credit_sink_rows_inserted_total")


@dataclass(frozen=True)
class Member:
    kind: Kind
    process_id: int
    port: int

    def is_ready(self) -> bool:
        assert not has_ended(self.process_id), f"a {self.kind.command} has ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=_ANSWER_SECONDS):
                return True
        except (urllib.error.URLError, TimeoutError):
            return False

    def done(self) -> float:
        return metric(self.port, self.kind.counter)

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process_id, number)


@contextmanager
def member(kind: Kind, environment: Mapping[str, str], folder: Path, name: str) -> Iterator[Member]:
    """One worker, which has just been started."""
    port = free_port()
    own = {
        variable(kind.port_setting): str(port),
        variable("data_dir"): str(folder / name),
        variable("rater_id"): name,
    }
    with worker({**environment, **own}, "credit_movements", kind.command, log=folder / f"{name}.log") as process_id:
        yield Member(kind, process_id, port)


@contextmanager
def crew(
    kind: Kind, count: int, environment: Mapping[str, str], folder: Path, name: str, admin: AdminClient
) -> Iterator[list[Member]]:
    """So many, which have all got their partitions."""
    with ExitStack() as until_the_end:
        members = [
            until_the_end.enter_context(member(kind, environment, folder, f"{name}-{number}"))
            for number in range(count)
        ]
        wait_until_settled(admin, members)
        yield members


def wait_until_settled(admin: AdminClient, members: Sequence[Member]) -> None:
    """Until these are the group, all with partitions and ready."""
    give_up_at = time.monotonic() + _READY_WITHIN_SECONDS
    while not (_has_settled(admin, members[0].kind.group, len(members)) and all(each.is_ready() for each in members)):
        assert time.monotonic() < give_up_at, "the workers did not get their partitions"
        time.sleep(_ASK_EVERY_SECONDS)


def _has_settled(admin: AdminClient, group: str, count: int) -> bool:
    try:
        found = admin.describe_consumer_groups([group])[group].result()
    except KafkaException:
        return False
    members = [each for each in found.members if each.assignment.topic_partitions]
    return found.state == ConsumerGroupState.STABLE and len(members) == len(found.members) == count


@dataclass(frozen=True)
class Done:
    """`per_second`: records of all together. Microseconds of processor time a record: of all workers together, and of all
    brokers."""

    per_second: float
    workers_us: float
    brokers_us: float


def measured(members: Sequence[Member], count: int, brokers: Sequence[int]) -> Done:
    """Let workers go on that were stopped (SIGSTOP) before `count` records came, until they have done them."""
    processes = [each.process_id for each in members]
    own, kafka, began = _processor(processes), _processor(brokers), time.monotonic()
    for each in members:
        each.send(signal.SIGCONT)
    while sum(each.done() for each in members) < count:
        assert not any(map(has_ended, processes)), "a worker has ended"
        time.sleep(_ASK_EVERY_SECONDS)
    seconds = time.monotonic() - began
    return Done(
        count / seconds, (_processor(processes) - own) / count * 1e6, (_processor(brokers) - kafka) / count * 1e6
    )


def _processor(processes: Sequence[int]) -> float:
    return sum(map(processor_seconds, processes))
