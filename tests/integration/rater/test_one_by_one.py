"""A rater without stores rates each partition as soon as its log is read back, on each broker in turn.

What holds one partition's log up is a transaction that somebody has left open there.
"""

import shutil
import signal
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from credit_movements import clients
from credit_movements.embedded.ports import free_port
from credit_movements.settings import Settings
from kafka_io.transaction_watch import TransactionWatch
from schemas.partitioner import account_partition
from schemas.topics import CREDIT_MOVEMENTS, RATES, USAGE_EVENTS
from tests.integration.rater.raters import rater
from tests.integration.records import event, movement, rate
from tests.integration.stack import Stack, eventually
from tests.kafka.brokers import BROKERS, TANSU

on_kafka_itself = pytest.mark.parametrize("kafka", [name for name in BROKERS if name != TANSU], indirect=True)
ACCOUNTS = {account_partition(f"acct-{number}", 4): f"acct-{number}" for number in range(50)}
HELD_UP = 2
FOREIGN = 900_000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """What a rater left open is aborted soon; its page has a port that is known."""
    return settings.model_copy(update={"kafka_transaction_timeout_ms": 4000, "rater_http_port": free_port()})


def publish(stack: Stack, *numbers: int) -> None:
    """To all partitions alike."""
    stack.publish(USAGE_EVENTS, *(event(number, account_id=ACCOUNTS[number % 4]) for number in numbers))


def charged(stack: Stack) -> Counter[int]:
    ids = (int(line["movement_id"][-12:], 16) for line in stack.records(CREDIT_MOVEMENTS))
    return Counter(number for number in ids if number != FOREIGN)


def in_held_up(numbers: range) -> set[int]:
    return {number for number in numbers if number % 4 == HELD_UP}


@contextmanager
def held_up(stack: Stack) -> Iterator[None]:
    settings = stack.settings.model_copy(update={"rater_id": "somebody", "kafka_transaction_timeout_ms": 120_000})
    watch = TransactionWatch(clients.kafka_log)
    producer = clients.transactional_producer(settings, clients.transactional_id(settings), watch)
    producer.init_transactions(10)
    producer.begin_transaction()
    foreign = stack.codec(CREDIT_MOVEMENTS).encode_one(movement(FOREIGN))
    producer.produce(CREDIT_MOVEMENTS.name, foreign, partition=HELD_UP)
    assert producer.flush(10) == 0
    yield
    producer.commit_transaction(10)


def page(settings: Settings) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{settings.rater_http_port}/readyz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_partitions_are_rated_while_one_of_them_is_read_back(stack: Stack) -> None:
    stack.publish_priced(RATES, rate())
    publish(stack, *range(40))
    stack.rate_everything()
    shutil.rmtree(stack.settings.data_dir / "seen", ignore_errors=True)
    publish(stack, *range(80))
    everything = range(80)
    with stack.rating() as metrics:
        with held_up(stack):
            # A broker may show what is open only after it was committed, so the log is not looked at meanwhile.
            eventually(lambda: (metrics.get_sample_value("credit_partitions_rated") or 0) == 3)
            eventually(lambda: stack.lag() == len(in_held_up(everything)))
            assert metrics.get_sample_value("credit_partitions_assigned") == 4
        eventually(lambda: stack.is_rated())
        assert metrics.get_sample_value("credit_partitions_rated") == 4
        assert metrics.get_sample_value("credit_movements_to_read_back") == 0
    assert charged(stack) == Counter(everything)


@on_kafka_itself
def test_a_rater_that_is_killed_while_it_reads_back_has_charged_nobody_twice(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    stack.publish_priced(RATES, rate())
    publish(stack, *range(40))
    stack.rate_everything()
    publish(stack, *range(80))
    with rater(settings, "new", tmp_path) as new, held_up(stack):
        new.wait_for("rating partitions [0, 1, 3];")
        status, words = page(settings)
        assert status == 200
        assert words.startswith(f"rating 3 of 4 partitions; partition {HELD_UP}: 1")
        eventually(lambda: stack.lag() == 20)
        new.signal(signal.SIGKILL)
        eventually(lambda: new.exit_status == -signal.SIGKILL)
    with rater(settings, "next", tmp_path):
        eventually(lambda: stack.is_rated())
    assert charged(stack) == Counter(range(80))


def test_of_more_raters_than_partitions_each_is_ready(stack: Stack, settings: Settings, tmp_path: Path) -> None:
    pages = [settings.model_copy(update={"rater_http_port": free_port()}) for _ in range(5)]
    stack.publish_priced(RATES, rate())
    with ExitStack() as raters:
        for number, each in enumerate(pages):
            raters.enter_context(rater(each, f"rater-{number}", tmp_path))
        eventually(lambda: [page(each)[0] for each in pages] == [200] * 5)
        words = Counter(page(each)[1] for each in pages)
    none = "ready: the group has more raters than partitions, and none for this one\n"
    assert words == {"rating 1 of 1 partitions\n": 4, none: 1}
