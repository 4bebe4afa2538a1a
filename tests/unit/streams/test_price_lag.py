"""A price is in force for events that are read 3 s after it was published, however long it takes to make price lists.

The clock, Kafka and the thread are doubles here. Kafka hands over what is published within 0.9 s.
"""

import threading
from concurrent.futures import Future, wait
from typing import Any, cast

from confluent_kafka import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from kafka_io.positions import TopicPartition
from schemas.codec import RecordCodec
from schemas.topics import ACCOUNT_PLANS, RATES
from streams.price_feed import PriceFeed
from tests.unit.schemas.test_codec import RegisteredSchemas
from tests.unit.streams.at_once import AtOnce
from tests.unit.streams.test_outcome import rate
from tests.unit.streams.test_price_feed import AT_END, encoded

_HANDED_OVER_AFTER_SECONDS = 0.9
_IN_FORCE_AFTER_SECONDS = 3.0
# What somebody does next, and how many seconds pass before.
Step = tuple[str, float]
some_steps = st.lists(
    st.tuples(
        st.sampled_from(["publish", "list is ready", "rate", "rate"]), st.sampled_from([0.0, 0.1, 1.0, 1.9, 4.0])
    ),
    max_size=20,
)


class _Held(AtOnce):
    """Begins at once what is given to it. It is ready when `finish` is called, or when somebody waits for it."""

    def __init__(self) -> None:
        self._coming: _Coming | None = None

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._coming = _Coming(super().submit(fn, *args, **kwargs))
        return self._coming

    def finish(self) -> None:
        if self._coming is not None:
            self._coming.is_ready = True


class _Coming(Future[Any]):
    def __init__(self, begun: Future[Any]) -> None:
        super().__init__()
        self._begun = begun
        self.is_ready = False

    def done(self) -> bool:
        return self.is_ready

    def result(self, timeout: float | None = None) -> Any:
        return self._begun.result(timeout)


class _Kafka:
    """`published_at`: the times of the rates, which are told apart by their prefixes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.published_at: list[float] = []
        self._given = 0
        self._has_ended = False

    def publish(self) -> None:
        self.published_at.append(self.now)

    def assign(self, _: Any) -> None:
        """From the beginning, where it is."""

    def consume(self, count: int, _: float) -> list[Message]:
        if not self._has_ended:
            self._has_ended = True
            return AT_END
        there = sum(at <= self.now - _HANDED_OVER_AFTER_SECONDS for at in self.published_at)
        begin, self._given = self._given, min(there, self._given + count)
        return [encoded(RATES, each, rate(destination_prefix=str(each + 1))) for each in range(begin, self._given)]


@settings(deadline=None)
@given(some_steps)
def test_a_price_is_in_force_for_events_read_3_seconds_after_it_was_published(steps: list[Step]) -> None:
    in_force_in_time(steps)


def test_it_is_where_a_list_takes_long() -> None:
    in_force_in_time([("publish", 0.0), ("rate", 1.0), ("rate", 3.0)])


def in_force_in_time(steps: list[Step]) -> None:
    kafka, beside = _Kafka(), _Held()
    codecs = [RecordCodec(topic, cast(Any, RegisteredSchemas())) for topic in (RATES, ACCOUNT_PLANS)]
    feed = PriceFeed(cast(Any, kafka), codecs[0], codecs[1], "default", lambda: kafka.now, beside)
    feed.read_to_end(threading.Event())
    for step, seconds in steps:
        kafka.now += seconds
        if step == "publish":
            kafka.publish()
        elif step == "list is ready":
            beside.finish()
        else:
            read_at = kafka.now
            feed.refresh()
            due = sum(at <= read_at - _IN_FORCE_AFTER_SECONDS for at in kafka.published_at)
            assert len(feed.prices.numbers) - 1 >= due


def test_a_list_that_is_being_made_holds_nobody_up_and_is_in_force_when_it_is_ready() -> None:
    may_decode = threading.Event()

    class Slow(RecordCodec):
        def decode(self, values: Any) -> Any:
            assert may_decode.wait(30)
            return super().decode(values)

    kafka = _Kafka()
    schemas = cast(Any, RegisteredSchemas())
    feed = PriceFeed(
        cast(Any, kafka), Slow(RATES, schemas), RecordCodec(ACCOUNT_PLANS, schemas), "default", lambda: 0.0
    )
    feed.read_to_end(threading.Event())
    kafka.published_at.append(-1.0)
    feed.refresh()
    assert len(feed.prices.numbers) == 1
    may_decode.set()
    wait([feed._begun()], 30)
    feed.refresh()
    assert len(feed.prices.numbers) == 2
    feed.close()


def test_closing_ends_the_thread() -> None:
    before = threading.active_count()
    schemas = cast(Any, RegisteredSchemas())
    codecs = [RecordCodec(topic, schemas) for topic in (RATES, ACCOUNT_PLANS)]
    feed = PriceFeed(cast(Any, _Kafka()), codecs[0], codecs[1], "default", lambda: 0.0)
    feed.read_to_end(threading.Event())
    feed.refresh()
    feed.close()
    assert threading.active_count() == before


def test_a_refused_price_is_forgotten_when_it_is_a_dead_letter() -> None:
    schemas = cast(Any, RegisteredSchemas())
    bad = [encoded(RATES, offset, rate(price_units=0)) for offset in range(3)]
    batches = iter([bad, AT_END])
    codecs = [RecordCodec(topic, schemas) for topic in (RATES, ACCOUNT_PLANS)]

    class Consumer(_Kafka):
        def consume(self, *_: Any) -> list[Message]:
            return next(batches)

    feed = PriceFeed(cast(Any, Consumer()), codecs[0], codecs[1], "default", lambda: 0.0, AtOnce())
    feed.read_to_end(threading.Event())
    rates = TopicPartition(RATES.name, 0)
    feed.forget_refused({})
    assert [price.position.offset for price in feed.refused] == [0, 1, 2]
    feed.forget_refused({rates: 2})
    assert [price.position.offset for price in feed.refused] == [2]
