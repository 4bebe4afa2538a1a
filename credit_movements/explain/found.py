"""What the topics hold of one id: the event of the movement, its copies and dead letters."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import polars as pl
from confluent_kafka import Message

from credit_movements.dead_letters.letter import Letter, letter_of
from credit_movements.explain.explanation import (
    Explanation,
    Fate,
    Fields,
    NotExplainedError,
    Place,
    Question,
    Record,
    Searched,
)
from credit_movements.explain.fates import fates, rated
from credit_movements.explain.records import Decoder, at_of
from credit_movements.explain.search import Search
from kafka_io.positions import TopicPartition
from schemas.partitioner import account_partition
from schemas.topics import CREDIT_MOVEMENTS, DEAD_LETTER_SUFFIX, dead_letter_topic
from sinks.read.erased import PERSONAL
from streams.dedup.fingerprints import content_hashes
from streams.events.table import SOURCES

TOPICS: Final = (*SOURCES, *map(dead_letter_topic, SOURCES), CREDIT_MOVEMENTS)

RatedUntil = Callable[[Iterable[TopicPartition]], Mapping[TopicPartition, int]]


class Log(NamedTuple):
    """The log that the topics are now: its identity, and how many partitions each topic has."""

    log_id: str
    partitions: Mapping[str, int]


class Found:
    """What was found of one question. `movement`: that of ClickHouse, or of the ledger where the sink has not stored it yet."""

    def __init__(self, search: Search, decoder: Decoder, log: Log, question: Question, movement: Fields | None) -> None:
        """Raises NotExplainedError where several accounts have the id, StuckError, KafkaException, RegistryUnavailableError."""
        self._search, self._decoder, self._log, self._question = search, decoder, log, question
        self._account_id = question.account_id if movement is None else movement["account_id"]
        self._own = None if movement is None else self._at_its_place(movement)
        messages, self._searched = self._looked_through()
        self.movement = movement or self._of_the_ledger(messages)
        self._records = self._meant(map(decoder.record, _of(messages, SOURCES)))
        letters = ((letter, decoder.record_of_letter(letter)) for letter in map(letter_of, _of(messages, _LETTERS)))
        self._letters: list[tuple[Letter, Record]] = [
            (letter, record) for letter, record in letters if record is not None and self._meant([record])
        ]
        if self.movement is None:
            accounts = {
                each.fields.get("account_id") for each in (*self._records, *(each for _, each in self._letters))
            }
            check_one_account(question, {each for each in accounts if each is not None})

    def rated_at(self) -> int | None:
        """When the movement was written, microseconds; None where it is not in this log."""
        if self.movement is None or self.movement["log_id"] != self._log.log_id:
            return None
        message = self._search.at(
            TopicPartition(CREDIT_MOVEMENTS.name, self.movement["log_partition"]), self.movement["log_offset"]
        )
        return None if message is None else at_of(message)

    def explanation(self, rated_until: RatedUntil) -> Explanation:
        """Raises NotExplainedError where nothing was found."""
        own, refused = self._own_record(), {record.place for _, record in self._letters}
        open_ends = {each.place.partition for each in self._records if each.place not in refused and each != own}
        others = fates(
            self._records, self._letters, own, rated_until(open_ends) if open_ends else {}, self._have_same_content
        )
        event_id = self._question.event_id
        if own is not None:
            return Explanation(event_id, rated(own), others, self._searched, self.movement)
        if not others:
            raise NotExplainedError(_nothing(self._question, self._searched))
        # A letter says how the event ended. Of several copies the newest counts.
        main = max(others, key=lambda copy: (copy.fate is Fate.DEAD_LETTER, copy.record.recorded_at or 0, copy.letter))
        return Explanation(event_id, main, [each for each in others if each is not main], self._searched)

    def _at_its_place(self, movement: Fields) -> Record | None:
        """The record that the movement names, if it is in this log, and still there."""
        if movement["log_id"] != self._log.log_id:
            return None
        message = self._search.at(*Place.of_movement(movement))
        return None if message is None else next(iter(self._meant([self._decoder.record(message)])), None)

    def _own_record(self) -> Record | None:
        if self.movement is None:
            return None
        place = Place.of_movement(self.movement)
        among = (record for record in self._records if record.place == place)
        return self._own or next(among, None) or self._decoder.record_of_movement(self.movement)

    def _looked_through(self) -> tuple[list[Message], list[Searched]]:
        since = self._question.since
        if since is None and self._own is not None:
            since = self._own.recorded_at
        partitions = [each for topic in TOPICS for each in self._partitions(topic.name)]
        needle = self._question.event_id.encode()
        # Copies come soon after the event, or now.
        return self._search.holding(needle, partitions, self._question.most, since, both_ends=since is not None)

    def _partitions(self, topic: str) -> list[TopicPartition]:
        """A refused record may lie anywhere, all others lie with their account."""
        count = self._log.partitions[topic]
        if self._account_id is None or topic.endswith(DEAD_LETTER_SUFFIX):
            return [TopicPartition(topic, number) for number in range(count)]
        return [TopicPartition(topic, account_partition(self._account_id, count))]

    def _of_the_ledger(self, messages: list[Message]) -> Fields | None:
        found = [
            {**each, "log_id": self._log.log_id}
            for each in self._decoder.movements(_of(messages, [CREDIT_MOVEMENTS]))
            if each["movement_id"] == self._question.event_id and self._account_id in (None, each["account_id"])
        ]
        check_one_account(self._question, {each["account_id"] for each in found})
        return found[0] if found else None

    def _meant(self, records: Iterable[Record]) -> list[Record]:
        """Those of the id, and of the account where that is known. Of what cannot be decoded the bytes have the id somewhere,
        and nobody knows whose it is."""
        event_id = self._question.event_id
        return [
            record
            for record in records
            if record.fields.get("event_id", event_id) == event_id
            and self._account_id in (None, record.fields.get("account_id"))
        ]

    def _have_same_content(self, own: Record, other: Record) -> bool:
        events = [self._event(own), self._event(other)]
        if own.value is None:
            # ClickHouse forgets numbers and users after a time.
            events = [
                None if event is None else event.with_columns(**dict.fromkeys(PERSONAL, pl.lit(None, pl.String)))
                for event in events
            ]
        hashes = {None if event is None else int(content_hashes(event)[0]) for event in events}
        return len(hashes) == 1 and None not in hashes

    def _event(self, record: Record) -> pl.DataFrame | None:
        if record.value is None and self.movement is not None:
            return self._decoder.event_of_movement(self.movement)
        return self._decoder.event(record)


_LETTERS: Final = [dead_letter_topic(topic) for topic in SOURCES]


def _of(messages: list[Message], topics: Iterable[object]) -> list[Message]:
    names = {getattr(topic, "name", None) for topic in topics}
    return [message for message in messages if message.topic() in names]


def check_one_account(question: Question, accounts: set[str]) -> None:
    """Raises NotExplainedError where several accounts have an event of this id."""
    if len(accounts) > 1:
        named = ", ".join(map(repr, sorted(accounts)[:10]))
        raise NotExplainedError(f"{question.event_id} is an id of several accounts ({named}): say which with --account")


def _nothing(question: Question, searched: list[Searched]) -> str:
    of = "" if question.account_id is None else f" of account {question.account_id!r}"
    looked = ", ".join(f"{each.records:,} of {each.of:,} in {each.topic}" for each in searched if each.of)
    is_part = any(each.records < each.of for each in searched)
    return (
        f"{question.event_id}: ClickHouse has no such movement{of}, and the topics no such record"
        f" (looked through: {looked or 'nothing is there'})"
        + (". With --account, --since or --search it looks further" if is_part else "")
    )
