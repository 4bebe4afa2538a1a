"""Records and dead letters, decoded as far as they can be."""

from collections.abc import Iterable

import polars as pl
from confluent_kafka import Message

from credit_movements import clients
from credit_movements.dead_letters.decoding import deciphered
from credit_movements.dead_letters.letter import Letter
from credit_movements.explain.explanation import Fields, Place, Record
from credit_movements.settings import Settings
from kafka_io.positions import position_of
from schemas.codec import RecordCodec
from schemas.topics import CREDIT_MOVEMENTS, Topic, topic_named
from streams.events.table import EVENT_COLUMNS, events_of_movements, events_table

_MICROS_PER_MILLI = 1000


class Decoder:
    """Decodes by the schemas of the registry. Methods raise RegistryUnavailableError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._schemas = clients.subject_schemas(settings)
        self._codecs: dict[str, RecordCodec] = {}

    def codec(self, topic: Topic) -> RecordCodec:
        if topic.name not in self._codecs:
            self._codecs[topic.name] = clients.codec(self._settings, topic)
        return self._codecs[topic.name]

    def record(self, message: Message) -> Record:
        """A record of a source topic."""
        place = Place(*position_of(message))
        return Record(place, at_of(message), self._fields(place, message.value()), message.value())

    def record_of_letter(self, letter: Letter) -> Record | None:
        """The record that was refused, as its dead letter has it; None where the letter does not say what it was."""
        if letter.source is None:
            return None
        place = Place(letter.source, letter.source_offset)
        return Record(place, None, self._fields(place, letter.value), letter.value)

    def record_of_movement(self, movement: Fields) -> Record:
        """The event of a movement whose record is gone."""
        event = events_of_movements(self.table([movement])).row(0, named=True)
        place = Place.of_movement(movement)
        return Record(place, None, {name: value for name, value in event.items() if value is not None}, None)

    def movements(self, messages: Iterable[Message]) -> list[Fields]:
        """The movements in these records of the ledger, with `log_partition` and `log_offset`."""
        found = []
        for message in messages:
            partition, offset = position_of(message)
            rows = self.codec(CREDIT_MOVEMENTS).decode([message.value()]).rows.drop("row")
            found += [
                {**row, "log_partition": partition.partition, "log_offset": offset}
                for row in rows.iter_rows(named=True)
            ]
        return found

    def table(self, movements: list[Fields]) -> pl.DataFrame:
        """Movements as a table with the columns of CreditMovement."""
        return pl.DataFrame(movements, schema=self.codec(CREDIT_MOVEMENTS).dtypes)

    def event(self, record: Record) -> pl.DataFrame | None:
        """The event of a record as one row of EVENT_COLUMNS; None where it cannot be decoded whole."""
        topic = topic_named(record.place.partition.topic)
        rows = self.codec(topic).decode([record.value]).rows
        if rows.is_empty():
            return None
        at = pl.lit(record.recorded_at or 0, pl.Int64)
        place = {"partition": record.place.partition.partition, "offset": record.place.offset}
        positions = [pl.lit(value, pl.Int64).alias(name) for name, value in place.items()]
        return events_table({topic.name: rows.with_columns(*positions, recorded_at=at, newest_at=at)})

    def event_of_movement(self, movement: Fields) -> pl.DataFrame:
        """The event that a movement was made from, as one row of EVENT_COLUMNS."""
        event = events_of_movements(self.table([movement]))
        return event.select(
            (pl.col(name) if name in event.columns else pl.lit(0 if dtype != pl.String else None))
            .cast(dtype)
            .alias(name)
            for name, dtype in EVENT_COLUMNS.items()
        )

    def _fields(self, place: Place, value: bytes | None) -> Fields:
        return deciphered(value, topic_named(place.partition.topic), self._schemas).fields


def at_of(message: Message) -> int:
    """Kafka's time of a record, microseconds."""
    return message.timestamp()[1] * _MICROS_PER_MILLI
