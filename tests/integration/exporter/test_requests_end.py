"""Where `export-requests` ends, on each broker: nothing that lay there is left out, also while more comes."""

import threading
from collections.abc import Iterator

import pytest

from credit_movements import clients
from credit_movements.settings import Settings
from exporter.positions.requests_end import RequestsEnd
from schemas.topics import EXPORT_REQUESTS
from tests.integration.stack import Stack

PARTITION = 1


@pytest.fixture
def end(settings: Settings, stack: Stack) -> Iterator[RequestsEnd]:
    reader = clients.reading_consumer(settings, "test", **{"isolation.level": "read_uncommitted"})
    yield RequestsEnd(reader)
    reader.close()


def end_of(end: RequestsEnd, partition: int = PARTITION) -> int:
    return end.end_offsets([partition])[partition]


def send(stack: Stack, count: int) -> None:
    for _ in range(count):
        stack.send(EXPORT_REQUESTS, b"x", "acme", PARTITION)
    stack.flush()


def test_the_end_is_behind_the_last_record(stack: Stack, end: RequestsEnd) -> None:
    assert end_of(end) == 0
    for count in (1, 214, 3):
        before = end_of(end)
        send(stack, count)
        assert end_of(end) == before + count
    assert end_of(end, PARTITION - 1) == 0


def test_an_end_that_runs_away_is_not_run_after(stack: Stack, end: RequestsEnd) -> None:
    is_over = threading.Event()

    def many_dashboards() -> None:
        while not is_over.wait(0.003):
            send(stack, 1)

    send(stack, 5)
    dashboards = threading.Thread(target=many_dashboards)
    dashboards.start()
    try:
        ends = [end_of(end) for _ in range(10)]
    finally:
        is_over.set()
        dashboards.join()
    assert ends[0] >= 5
    assert ends == sorted(ends)
    assert end_of(end) >= ends[-1]
