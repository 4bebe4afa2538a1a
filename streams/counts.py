"""Counts the outcomes of each batch, and warns of odd ones: a flood of dead letters, destinations that are no numbers."""

from collections import Counter

from kafka_io.positions import position_of
from streams.batch import EventBatch
from streams.metrics import RaterMetrics
from streams.outcome import Outcomes
from streams.pricing.checks import CHECKS
from streams.pricing.rating import PriceList
from streams.watches.flood import FloodWatch
from streams.watches.numbers import NumberWatch


class OutcomeCounts:
    """The metrics and warnings of a rater. Note a batch when it is committed."""

    def __init__(self, metrics: RaterMetrics, numbers: NumberWatch) -> None:
        self._metrics = metrics
        self._numbers = numbers
        self._flood = FloodWatch()

    def note(self, batch: EventBatch, outcomes: Outcomes, prices: PriceList, remembered_ids: int) -> None:
        # Added up first, since a batch may hold many bad messages and each update of a metric takes time.
        undecodable = Counter(
            (position_of(batch.messages[refusal.row]).topic_partition.topic, refusal.reason.value)
            for refusal in batch.refusals
        )
        refused = undecodable + Counter(
            (topic, CHECKS[check].reason.value)
            for topic, check in outcomes.refused.select("source_topic", "check").iter_rows()
        )
        self._watch_flood(len(batch.messages), refused)
        self._numbers.note(batch.events[outcomes.not_numbers], prices.book.type_index)
        self._count(batch, outcomes, undecodable, refused)
        self._metrics.remembered.set(remembered_ids)

    def _watch_flood(self, messages: int, refused: Counter[tuple[str, str]]) -> None:
        if not messages:
            return
        of_reasons = Counter[str]()
        for (_, reason), count in refused.items():
            of_reasons[reason] += count
        self._flood.note(messages, of_reasons)

    def _count(
        self,
        batch: EventBatch,
        outcomes: Outcomes,
        undecodable: Counter[tuple[str, str]],
        refused: Counter[tuple[str, str]],
    ) -> None:
        metrics, topics = self._metrics, batch.events["source_topic"]
        for topic, count in topics.value_counts().iter_rows():
            metrics.consumed.labels(topic).inc(count)
        for (topic, _), count in undecodable.items():
            metrics.consumed.labels(topic).inc(count)
        for topic, count in outcomes.movements["source_topic"].value_counts().iter_rows():
            metrics.movements.labels(topic).inc(count)
        for topic, count in topics.gather(outcomes.duplicates).value_counts().iter_rows():
            metrics.duplicates.labels(topic).inc(count)
        for (topic, reason), count in refused.items():
            metrics.dead_letters.labels(topic, reason).inc(count)
