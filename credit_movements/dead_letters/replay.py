"""Dead letters sent once more, the same way as any event.

1. Read all letters, and note the newest letter of each content (topic and bytes). A record that was replayed and refused again
   has two letters; the newest says how it ended.
2. Read them again, up to the same ends. Send the newest letters that the selection takes to their source topic, with bytes,
   key and headers as their publisher made them. So each content is sent once at most.

A replay can be stopped and repeated. If an event became a movement in the meantime, the rater drops it as a duplicate. If it is
refused again, there is one more letter of the same content. The record's time is the time of sending, so an event that is too
old by now would become an `invalid_event`: it is not sent.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique

from xxhash import xxh3_128_digest

from credit_movements import clients
from credit_movements.dead_letters.letter import REPLAYED_FROM, Letter, without_ours
from credit_movements.dead_letters.reading import DeadLetters
from credit_movements.dead_letters.selection import Selection
from credit_movements.publishing.records import NotDeliveredError, why_not
from credit_movements.settings import Settings
from kafka_io.producing import Deliveries, produce
from schemas.codec import RecordCodec
from schemas.dead_letters import Reason
from schemas.partitioner import account_partition
from schemas.topics import DEAD_LETTER_SUFFIX
from streams.events.table import SOURCES

REPLAYABLE = tuple(topic.name for topic in SOURCES)
# The same bytes can pass later: once a schema, rate or plan is there, or in the partition where they belong.
DEFAULT_REASONS = frozenset(
    reason.value for reason in Reason if reason.may_pass_later or reason is Reason.WRONG_PARTITION
)
_FLUSH_SECONDS = 60.0


@unique
class Fate(StrEnum):
    """What a replay does with a letter that the selection takes."""

    SENT = "sent"
    CAME_BACK = "came back later"
    NEEDS_REASON = "would fail again"
    TOO_OLD = "too old"
    OVER_LIMIT = "over the limit"


@dataclass(frozen=True)
class Replayed:
    """How many letters there are of each (source topic, reason, fate)."""

    counts: Counter[tuple[str, str, Fate]]

    def of(self, fate: Fate) -> int:
        return sum(count for (_, _, each), count in self.counts.items() if each is fate)


class Replay:
    """One replay. `now_micros` is the clock that Kafka's timestamps come from."""

    def __init__(
        self, settings: Settings, selection: Selection, limit: int | None, dry_run: bool, now_micros: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._selection = selection
        self._limit = limit
        self._dry_run = dry_run
        self._oldest_micros = now_micros() - settings.event_max_age // timedelta(microseconds=1)
        self._codecs: dict[str, RecordCodec] = {topic.name: clients.codec(settings, topic) for topic in SOURCES}
        self._partitions = {topic.name: clients.partition_count(settings, topic) for topic in SOURCES}
        self._counts: Counter[tuple[str, str, Fate]] = Counter()
        self._sent = 0

    def run(self, letters: DeadLetters) -> Replayed:
        """Replay. Raises KafkaException, RegistryUnavailableError, StuckError, NotDeliveredError."""
        newest: dict[bytes, tuple[int, int, int]] = {}
        for batch in letters.read():
            for letter in batch:
                key = _content(letter)
                newest[key] = max(newest.get(key, _written(letter)), _written(letter))
        deliveries = Deliveries(clients.producer(self._settings))
        for batch in letters.read():
            self._replay(deliveries, [letter for letter in batch if self._selection.takes(letter)], newest)
        if left := deliveries.undelivered(_FLUSH_SECONDS):
            raise NotDeliveredError(
                f"{left} of {self._sent} dead letters were not delivered{why_not(deliveries)}. It is safe to repeat."
            )
        return Replayed(self._counts)

    def _replay(self, deliveries: Deliveries, letters: list[Letter], newest: dict[bytes, tuple[int, int, int]]) -> None:
        if not letters:
            return
        topic = _source_topic(letters[0])
        decoded = self._codecs[topic].decode([letter.value for letter in letters]).rows
        said = decoded.select("row", "account_id", "occurred_at").iter_rows()
        events = {row: (account_id, occurred_at) for row, account_id, occurred_at in said}
        for row, letter in enumerate(letters):
            account_id, occurred_at = events.get(row, (None, None))
            fate = self._fate(letter, newest[_content(letter)] == _written(letter), occurred_at)
            self._counts[topic, letter.reason, fate] += 1
            if fate is Fate.SENT:
                self._sent += 1
                if not self._dry_run:
                    self._send(deliveries, letter, topic, account_id)

    def _fate(self, letter: Letter, is_newest: bool, occurred_at: int | None) -> Fate:
        if not is_newest:
            return Fate.CAME_BACK
        if not self._selection.reasons and letter.reason not in DEFAULT_REASONS:
            return Fate.NEEDS_REASON
        if occurred_at is not None and occurred_at < self._oldest_micros:
            return Fate.TOO_OLD
        if self._limit is not None and self._sent >= self._limit:
            return Fate.OVER_LIMIT
        return Fate.SENT

    def _send(self, deliveries: Deliveries, letter: Letter, topic: str, account_id: str | None) -> None:
        # If the account cannot be read, the record goes to its old partition, which is also its letter's.
        partition = letter.topic_partition.partition
        if account_id is not None:
            partition = account_partition(account_id, self._partitions[topic])
        headers = [*without_ours(letter.headers), (REPLAYED_FROM, letter.name.encode())]
        produce(
            deliveries.producer,
            topic,
            value=letter.value,
            key=letter.key,
            partition=partition,
            headers=headers,
            on_delivery=deliveries.note,
        )
        deliveries.producer.poll(0)


def _source_topic(letter: Letter) -> str:
    return letter.topic_partition.topic.removesuffix(DEAD_LETTER_SUFFIX)


def _content(letter: Letter) -> bytes:
    """A hash of the source topic and the bytes."""
    marked = b"\0" if letter.value is None else b"\1" + letter.value
    return xxh3_128_digest(letter.topic_partition.topic.encode() + marked)


def _written(letter: Letter) -> tuple[int, int, int]:
    """When and where it was written: a newer letter has a greater value."""
    return letter.at, letter.topic_partition.partition, letter.offset
