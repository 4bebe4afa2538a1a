"""A worker that is ready asks Kafka now and then whether it is still allowed what it needs."""

from threading import Event

from credit_movements.refusals import RefusedError, lacking
from credit_movements.unreachable import UnreachableError
from credit_movements.workers.health import any_of
from credit_movements.workers.still_allowed import StillAllowed

LACKS = lacking("Read", "topic usage-events")


class Kafka:
    """Answers as `error` says, and counts the questions."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0
        self.now = 0.0
        self.answers = Event()
        self.answers.set()

    def check(self) -> None:
        self.asked += 1
        assert self.answers.wait(10)
        if self.error is not None:
            raise self.error


def test_kafka_is_asked_every_few_seconds_however_often_the_page_is() -> None:
    kafka = Kafka()
    refused = StillAllowed(kafka.check, lambda: kafka.now, wait_seconds=10)
    kafka.error = LACKS
    # The worker has asked at its start.
    assert (refused(), kafka.asked) == (None, 0)
    kafka.now = 5.0
    assert refused() == str(LACKS)
    assert refused() == str(LACKS)
    assert kafka.asked == 1
    kafka.now, kafka.error = 10.0, None
    assert (refused(), kafka.asked) == (None, 2)


def test_of_a_kafka_that_does_not_answer_no_refusal_is_known() -> None:
    kafka = Kafka()
    refused = StillAllowed(kafka.check, lambda: kafka.now, wait_seconds=10)
    for now, error, says in (
        (5.0, RefusedError("no"), "no"),
        (10.0, UnreachableError("cannot reach it"), None),
    ):
        kafka.now, kafka.error = now, error
        assert refused() == says


def test_nobody_waits_long_for_a_slow_answer_and_it_is_there_later() -> None:
    kafka = Kafka()
    refused = StillAllowed(kafka.check, lambda: kafka.now, wait_seconds=0.01)
    kafka.now, kafka.error = 5.0, LACKS
    kafka.answers.clear()
    assert [refused(), refused()] == [None, None]
    assert kafka.asked == 1
    assert refused._asking is not None
    late = refused._asking
    kafka.answers.set()
    late.join(10)
    assert refused() == str(LACKS)


def test_all_that_stands_against_it_is_told() -> None:
    assert any_of(lambda: None, lambda: None)() is None
    assert any_of(lambda: "no permission", lambda: None, lambda: "rating 0 of 3 partitions")() == (
        "no permission; rating 0 of 3 partitions"
    )
