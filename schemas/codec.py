"""Between the bytes of Kafka values and batches: one table a batch, in the Confluent wire format.

Two roads lead from bytes to a table. The fast road (`columnar.datums`) reads a whole batch in step and knows our own schema,
and the earlier versions that lack nothing but nullable fields: a log has records of all versions for ever. The second road
(`datum`, by fastavro) takes one message at a time: it is for messages that were written with another schema, and for one
record alone. Tests hold the two equal: they accept the same bytes, and make the same records
of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyruhvro

from schemas import datum, wire
from schemas.avro_schemas import fields_of, parsed_schema, schema_text, with_fields_before, without_new_fields
from schemas.columnar.datums import Field, read_datums
from schemas.columnar.joined import Ints
from schemas.dead_letters import Reason
from schemas.registry import RegistryUnavailableError, SubjectSchemas
from schemas.topics import Topic

_ROWS_OF_ONE_THREAD = 5_000


class Refusal(NamedTuple):
    """One value that is no record: its index in the batch, and why."""

    row: int
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Decoded:
    """`rows`: a column for each Avro field (times as Int64 microseconds) and `row` (UInt32), the value's index in the batch,
    ascending. `refusals`: all other values. Each value of the batch is in one of the two."""

    rows: pl.DataFrame
    refusals: list[Refusal]


class UnregisteredSchemaError(Exception):
    """The registry does not have our own schema of a subject: `credit-movements setup` has not run."""


class UndecodableError(Exception):
    """A single value that is no record of its topic."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.reason}: {refusal.detail}")
        self.refusal = refusal


class RecordCodec:
    """The values of one topic. Methods raise RegistryUnavailableError where they need a schema and the registry is away."""

    def __init__(self, topic: Topic, schemas: SubjectSchemas) -> None:
        if topic.record is None:
            raise ValueError(f"{topic.name} holds other topics' bytes, not records")
        self._topic = topic
        self._schemas = schemas
        self._own_text = schema_text(topic.record)
        self._own = parsed_schema(self._own_text)
        self._read_own = datum.reader(self._own, self._own)
        self._layout = [Field.of(field) for field in fields_of(topic.record)]
        self._layouts = {text: self._layout[: len(fields)] for text, fields in without_new_fields(topic.record).items()}
        self.dtypes = {field.name: pl.String if field.is_text else pl.Int64 for field in self._layout}
        self._framed_text = with_fields_before(topic.record, wire.HEADER_FIELDS)
        self._framed_schema: pa.Schema = pyruhvro.avro_to_arrow_schema(self._framed_text)
        self._known: dict[int, str] = {}
        self._own_id: int | None = None

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a batch of values. A value that is wrong becomes a refusal, never an exception."""
        frames = wire.read_frames(values)
        refusals = [Refusal(row, Reason.UNDECODABLE, detail) for row, detail in frames.broken]
        ids = frames.schema_ids[frames.rows]
        writers = self._writers(np.unique(ids).tolist())
        strange = ~np.isin(ids, list(writers))
        refusals += [
            Refusal(
                row,
                Reason.UNKNOWN_SCHEMA,
                f"schema id {schema_id} is not of subject {self._schemas.called(self._topic.subject)}",
            )
            for row, schema_id in zip(frames.rows[strange].tolist(), ids[strange].tolist(), strict=True)
        ]
        tables = []
        for schema_id, writer in writers.items():
            rows = frames.rows[ids == schema_id]
            layout = next((each for text, each in self._layouts.items() if datum.same_encoding(writer, text)), None)
            if layout is not None:
                tables.append(self._read_in_step(frames, rows, layout, refusals))
            else:
                tables.append(self._read_one_by_one(values, rows, writer, refusals))
        filled = [table for table in tables if len(table)] or [pl.DataFrame(schema={**self.dtypes, "row": pl.UInt32})]
        return Decoded(filled[0] if len(filled) == 1 else pl.concat(filled).sort("row"), refusals)

    def decode_one(self, value: bytes | None) -> dict[str, Any]:
        """Decode one value to a dict, times as integers. Raises UndecodableError."""
        # Reading a batch of one takes 200 times as long. So it only judges what is not plainly right.
        record = self._read_plain(value)
        if record is not None:
            return record
        decoded = self.decode([value])
        if decoded.refusals:
            raise UndecodableError(decoded.refusals[0])
        return decoded.rows.drop("row").row(0, named=True)

    def encode(self, records: pl.DataFrame) -> list[bytes]:
        """Encode rows (a column for each Avro field, times as Int64) to values. Raises UnregisteredSchemaError."""
        columns = [
            records[field.name].to_arrow().cast(pa.int64() if pa.types.is_timestamp(field.type) else field.type)
            for field in self._framed_schema
            if field.name in self.dtypes
        ]
        columns = [*wire.header_columns(self._framed_schema, self.own_id(), len(records)), *columns]
        arrays = [column.cast(field.type) for column, field in zip(columns, self._framed_schema, strict=True)]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._framed_schema)
        return [value for part in _serialize(batch, self._framed_text) for value in part.to_pylist()]

    def encode_one(self, record: dict[str, Any]) -> bytes:
        """Encode one record given as a dict, times as integers. Raises UnregisteredSchemaError."""
        if all(_fits(record.get(field.name), field) for field in self._layout):
            return wire.header(self.own_id()) + datum.encoded(record, self._own)
        return self.encode(pl.DataFrame([record], schema=self.dtypes))[0]

    def own_id(self) -> int:
        """The id of our own schema in the registry. Raises UnregisteredSchemaError."""
        if self._own_id is None:
            self._own_id = self._schemas.id_of(self._topic.subject, self._own_text)
        if self._own_id is None:
            raise UnregisteredSchemaError(
                f"the schema registry has no {self._topic.record} under"
                f" {self._schemas.called(self._topic.subject)}: run `credit-movements setup`"
            )
        return self._own_id

    def _writers(self, schema_ids: list[int]) -> dict[int, str]:
        """Schema id → schema text, of the ids that belong to this subject."""
        # An unknown id may have been registered a moment ago. One question to the registry is enough, however many there are.
        if not self._known.keys() >= set(schema_ids):
            self._known = self._checked_versions()
        return {schema_id: self._known[schema_id] for schema_id in schema_ids if schema_id in self._known}

    def _checked_versions(self) -> dict[int, str]:
        """What the registry has of the subject. One that has lost our own schema, or is another one, says nothing about others:
        it would make dead letters of good records."""
        versions = self._schemas.versions(self._topic.subject)
        if self._own_id is None:
            self._own_id = self._schemas.id_of(self._topic.subject, self._own_text)
        if self._own_id not in versions:
            raise RegistryUnavailableError(
                f"the schema registry has lost {self._topic.record} of {self._topic.subject}, or never had it:"
                " run `credit-movements setup`, or put the registry back"
            )
        return versions

    def _read_plain(self, value: bytes | None) -> dict[str, Any] | None:
        """The record of a value in our own encoding, by a schema that is known already; None for any other value."""
        schema_id = wire.schema_id(value)
        if (
            value is None
            or schema_id not in self._known
            or not datum.same_encoding(self._known[schema_id], self._own_text)
        ):
            return None
        try:
            return self._read_own(value[wire.HEADER_BYTES :])
        except datum.BadDatumError:
            return None

    def _read_in_step(
        self, frames: wire.Frames, rows: Ints, layout: list[Field], refusals: list[Refusal]
    ) -> pl.DataFrame:
        starts, ends = frames.joined.starts[rows] + wire.HEADER_BYTES, frames.joined.ends[rows]
        datums = read_datums(frames.joined, starts, ends, layout)
        refusals += [Refusal(int(rows[number]), Reason.UNDECODABLE, fault) for number, fault in datums.faults.items()]
        missing = (pl.lit(None, self.dtypes[field.name]).alias(field.name) for field in self._layout[len(layout) :])
        return datums.records.with_columns(*missing, pl.Series("row", rows[datums.whole], dtype=pl.UInt32))

    def _read_one_by_one(
        self, values: Sequence[bytes | None], rows: Ints, writer: str, refusals: list[Refusal]
    ) -> pl.DataFrame:
        records = []
        read = datum.reader(parsed_schema(writer), self._own)
        for row in rows.tolist():
            try:
                records.append({**read((values[row] or b"")[wire.HEADER_BYTES :]), "row": row})
            except datum.BadDatumError as error:
                refusals.append(Refusal(row, Reason.UNDECODABLE, str(error)))
            except datum.UnresolvableSchemaError as error:
                refusals.append(Refusal(row, Reason.UNKNOWN_SCHEMA, str(error)))
        return pl.DataFrame(records, schema={**self.dtypes, "row": pl.UInt32})


def _fits(value: object, field: Field) -> bool:
    if value is None:
        return field.absent is not None
    return type(value) is str if field.is_text else type(value) is int and -(2**63) <= value < 2**63


def _serialize(batch: pa.RecordBatch, schema: str) -> list[pa.BinaryArray]:
    threads = 1 if len(batch) <= _ROWS_OF_ONE_THREAD else 2
    arrays: list[pa.BinaryArray] = pyruhvro.serialize_record_batch(batch, schema, threads)
    return arrays
