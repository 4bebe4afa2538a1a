"""Watches as processes of their own, to be stopped, killed and waited for, and what they have told."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition

from credit_movements import clients
from credit_movements.settings import Settings
from credit_movements.supervision.processes import Child, Service
from credit_movements.workers.watch import GROUP
from kafka_io import reading
from kafka_io.positions import TopicPartition as Position
from schemas.topics import CREDIT_ALERTS, CREDIT_MOVEMENTS
from tests.environment import environment_of
from tests.integration.records import minute
from tests.integration.stack import Stack, eventually

STOP_SECONDS = 15.0
UNIT = 10**9


class WatchProcess(Child):
    """One watch. `interruption`: it gets this signal right after that step of its first transaction."""

    def __init__(
        self, settings: Settings, name: str, log_dir: Path, interruption: tuple[str, str] | None = None
    ) -> None:
        module = (
            ("credit_movements", "watch")
            if interruption is None
            else ("tests.integration.rater.rater_process", *interruption, "watch")
        )
        own = {"watch_id": name, "data_dir": settings.data_dir / name, "watch_http_port": 0}
        environment = environment_of(settings.model_copy(update=own))
        super().__init__(Service(name, (sys.executable, "-m", *module), environment), log_dir)

    def log(self) -> str:
        return self.log_path.read_text()

    def has_said(self, text: str, times: int = 1) -> bool:
        return self.log().count(text) >= times

    def wait_for(self, text: str) -> None:
        """Until its log has the text; fails if it ends before."""

        def said() -> bool:
            assert self.exit_status is None, self.log()
            return self.has_said(text)

        eventually(said)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process_id, number)

    def wait_until_killed(self) -> None:
        eventually(lambda: self.exit_status == -signal.SIGKILL)

    def wait_until_stopped(self) -> None:
        """Until SIGSTOP has reached it."""
        eventually(lambda: Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()[0] == "T")


@contextmanager
def watch(
    settings: Settings, name: str, log_dir: Path, interruption: tuple[str, str] | None = None
) -> Iterator[WatchProcess]:
    """A watch for the length of a block. At the end it finishes, if it still runs, and must do so in time."""
    process = WatchProcess(settings, name, log_dir, interruption)
    try:
        yield process
    except BaseException:
        process.wait_or_kill(0.0)
        print(process.log(), file=sys.stderr)
        raise
    if process.exit_status is None:
        process.ask_to_stop()
        assert process.wait_or_kill(STOP_SECONDS), process.log()
        assert process.exit_status == 0, process.log()


def falls(*numbers: int) -> list[dict[str, Any]]:
    """The movements of so many accounts, each of which has credit and then falls below 10 of its currency."""
    return [
        minute(
            account_id=f"acct-{number}",
            movement_id=f"{kind}0000000-0000-4000-8000-{number:012x}",
            credit_movement_nanos=amount * UNIT,
            description="top-up" if amount > 0 else "call",
        )
        for number in numbers
        for kind, amount in ((1, 20), (2, -15))
    ]


def told(stack: Stack) -> Counter[tuple[str, str]]:
    """How often each account was told what."""
    return Counter((alert["account_id"], alert["kind"]) for alert in stack.records(CREDIT_ALERTS))


def each_once(*numbers: int) -> Counter[tuple[str, str]]:
    return Counter((f"acct-{number}", "low_balance") for number in numbers)


def wait_until_watched(stack: Stack) -> None:
    """Until the group has committed all movements that there are."""
    count = stack.settings.topic_partitions
    group, reader = clients.group_consumer(stack.settings, GROUP), clients.reading_consumer(stack.settings, "ends")
    places = [Position(CREDIT_MOVEMENTS.name, number) for number in range(count)]
    try:
        ends = reading.log_ends(reader, places)

        def is_level() -> bool:
            answers = group.committed([TopicPartition(*place) for place in places], 30)
            return all(max(each.offset, 0) >= ends[Position(each.topic, each.partition)] for each in answers)

        eventually(is_level)
    finally:
        group.close()
        reader.close()


def set_back(settings: Settings) -> None:
    """Set the group's offsets back to the beginning, as an operator may. Nobody is a member of it meanwhile."""
    group = clients.group_consumer(settings, GROUP)
    try:
        offsets = [TopicPartition(CREDIT_MOVEMENTS.name, number, 0) for number in range(settings.topic_partitions)]
        group.commit(offsets=offsets, asynchronous=False)
    finally:
        group.close()
