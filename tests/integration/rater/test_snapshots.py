"""A rater with an empty data folder begins with the snapshots that another one left in object storage."""

import re
from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from credit_movements.settings import Settings
from schemas.partitioner import account_partition
from schemas.topics import CREDIT_MOVEMENTS, RATES, USAGE_EVENTS
from tests.integration.rater.raters import rater
from tests.integration.records import event, rate
from tests.integration.stack import Stack, eventually
from tests.kafka.brokers import TANSU

pytestmark = pytest.mark.parametrize("kafka", [TANSU], indirect=True)

ONE_OF_EACH_PARTITION = list(
    {account_partition(f"acct-{number}", 4): f"acct-{number}" for number in range(50)}.values()
)
FIRST_OF_MORE = 1_000
_more = count(FIRST_OF_MORE)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"dedup_snapshot_url": (tmp_path / "storage").as_uri()})


def rate_all(stack: Stack, settings: Settings, name: str, tmp_path: Path, events: int) -> str:
    """Publish so many events, have them rated by a rater with a folder of its own. Returns what it said."""
    stack.publish(USAGE_EVENTS, *(event(number) for number in range(events)))
    with rater(settings, name, tmp_path) as process:
        eventually(lambda: stack.is_rated())
        # What the newest commit of a partition wrote is in no snapshot: here that is one more event each.
        stack.publish(USAGE_EVENTS, *(event(next(_more), account_id=account) for account in ONE_OF_EACH_PARTITION))
        eventually(lambda: stack.is_rated())
    return process.log()


def moved(stack: Stack) -> Counter[str]:
    """The ids of the movements, without those of the events that were one more."""
    ids = Counter(line["movement_id"] for line in stack.records(CREDIT_MOVEMENTS))
    return Counter({each: count for each, count in ids.items() if each < event(FIRST_OF_MORE)["event_id"]})


def begun_with(said: str) -> int:
    """How many ids all of its snapshots had."""
    return sum(map(int, re.findall(r"begins with the snapshot dedup/\w+/\d+: (\d+) ids", said)))


def test_a_rater_with_an_empty_folder_begins_with_the_snapshots_of_another(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    stack.publish_priced(RATES, rate())
    assert begun_with(rate_all(stack, settings, "first", tmp_path, 200)) == 0
    said = rate_all(stack, settings, "second", tmp_path, 300)
    assert begun_with(said) == 200
    assert begun_with(rate_all(stack, settings, "third", tmp_path, 300)) == 300 + len(ONE_OF_EACH_PARTITION)
    assert moved(stack) == Counter(event(number)["event_id"] for number in range(300))
    assert stack.read("usage-events.dlq") == []


def test_a_damaged_snapshot_costs_a_line_and_the_log_is_read(stack: Stack, settings: Settings, tmp_path: Path) -> None:
    stack.publish_priced(RATES, rate())
    rate_all(stack, settings, "first", tmp_path, 200)
    for run in (tmp_path / "storage").rglob("*.npy"):
        run.write_bytes(run.read_bytes()[:-1] + b"\xff")
    said = rate_all(stack, settings, "second", tmp_path, 300)
    assert said.count("is refused, and the log is read instead") == 4
    assert moved(stack) == Counter(event(number)["event_id"] for number in range(300))


def test_a_storage_that_is_none_stops_the_start_with_one_line(settings: Settings, tmp_path: Path) -> None:
    wrong = settings.model_copy(update={"dedup_snapshot_url": "ftp://somewhere"})
    with rater(wrong, "wrong", tmp_path) as process:
        eventually(lambda: process.exit_status is not None)
    assert (
        process.log()
        .splitlines()[-1]
        .startswith(
            "credit-movements: CREDIT_DEDUP_SNAPSHOT_URL: ftp://somewhere: not a storage; file:///folder, s3://bucket,"
        )
    )
