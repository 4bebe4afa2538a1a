"""Between the bytes of Kafka values and batches: one table a batch, in the Confluent wire format.

Two roads lead from bytes to a table. The fast one (pyruhvro) decodes a whole batch at once, but raises for all of it when
one datum is bad, ignores bytes after a datum, and knows our own schema alone. The second one (fastavro, see `datum`) takes
one message at a time and judges: it gets what the fast road refused, what it may have misread, and what was written with
another version of the schema. Tests hold the two equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyruhvro

from schemas import datum, wire
from schemas.avro_schemas import fields_of, parsed_schema, schema_text
from schemas.dead_letters import Reason
from schemas.encoded_size import encoded_sizes
from schemas.registry import SubjectSchemas
from schemas.topics import Topic

# A batch that the fast road refuses is halved until what is refused is this small; that goes message by message.
_SMALLEST_FAST_BATCH = 64


class Refusal(NamedTuple):
    """One value that is no record: its place in the batch, and why."""

    row: int
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Decoded:
    """`rows`: a column for each Avro field (times as Int64 microseconds) and `row` (UInt32), the value's place in the batch,
    ascending. `refusals`: the rest. Together each value of the batch exactly once."""

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
    """The values of one topic. Methods raise RegistryUnavailableError while the registry is away and a schema is wanted."""

    def __init__(self, topic: Topic, schemas: SubjectSchemas) -> None:
        if topic.record is None:
            raise ValueError(f"{topic.name} holds other topics' bytes, not records")
        self._topic = topic
        self._schemas = schemas
        self._own_text = schema_text(topic.record)
        self._fields = fields_of(topic.record)
        self.dtypes = {field["name"]: _dtype(field["type"]) for field in self._fields}
        self._arrow_schema: pa.Schema = pyruhvro.avro_to_arrow_schema(self._own_text)
        self._known: dict[int, str] = {}
        self._own_id: int | None = None

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a batch of values; whatever is wrong with one of them is a refusal, never an exception."""
        frames = wire.read_frames(values)
        refusals = [Refusal(row, Reason.UNDECODABLE, detail) for row, detail in frames.broken]
        tables = []
        for schema_id in np.unique(frames.schema_ids[frames.rows]).tolist():
            rows = frames.rows[frames.schema_ids[frames.rows] == schema_id]
            writer = self._writer_schema(schema_id)
            if writer is None or not datum.is_bounded(parsed_schema(writer)):
                what = (
                    f"is not of subject {self._topic.subject}"
                    if writer is None
                    else "nests types, which are not read here"
                )
                refusals += [
                    Refusal(row, Reason.UNKNOWN_SCHEMA, f"schema id {schema_id} {what}") for row in rows.tolist()
                ]
                continue
            bodies = [values[row][wire.HEADER_BYTES :] for row in rows.tolist()]
            decode = self._decode_fast if self._is_own(writer) else self._decode_slow
            tables += decode(bodies, rows, writer, refusals)
        empty = pl.DataFrame(schema={**self.dtypes, "row": pl.UInt32})
        table = pl.concat([empty, *tables])
        return Decoded(table if len(tables) < 2 else table.sort("row"), refusals)

    def decode_one(self, value: bytes | None) -> dict[str, Any]:
        """Decode one value to a dict, times as integers. Raises UndecodableError."""
        decoded = self.decode([value])
        if decoded.refusals:
            raise UndecodableError(decoded.refusals[0])
        return decoded.rows.drop("row").row(0, named=True)

    def encode(self, records: pl.DataFrame) -> list[bytes]:
        """Encode rows (a column for each Avro field, times as Int64) to values. Raises UnregisteredSchemaError."""
        header = wire.header(self.own_id())
        columns = [
            records[field.name].to_arrow().cast(pa.int64() if pa.types.is_timestamp(field.type) else field.type)
            for field in self._arrow_schema
        ]
        arrays = [column.cast(field.type) for column, field in zip(columns, self._arrow_schema, strict=True)]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._arrow_schema)
        return [header + body for part in _serialize(batch, self._own_text) for body in part.to_pylist()]

    def encode_one(self, record: dict[str, Any]) -> bytes:
        """Encode one record given as a dict, times as integers. Raises UnregisteredSchemaError."""
        return self.encode(pl.DataFrame([record], schema=self.dtypes))[0]

    def own_id(self) -> int:
        """The id of our own schema in the registry. Raises UnregisteredSchemaError."""
        if self._own_id is None:
            self._own_id = self._schemas.id_of(self._topic.subject, self._own_text)
        if self._own_id is None:
            raise UnregisteredSchemaError(
                f"the schema registry has no {self._topic.record} under {self._topic.subject}: run `credit-movements setup`"
            )
        return self._own_id

    def _writer_schema(self, schema_id: int) -> str | None:
        # One look at the registry for an id not seen yet: it may have been registered a moment ago.
        if schema_id not in self._known:
            self._known = self._schemas.versions(self._topic.subject)
        return self._known.get(schema_id)

    def _is_own(self, writer: str) -> bool:
        return datum.same_encoding(writer, self._own_text)

    def _decode_fast(
        self, bodies: list[bytes], rows: npt.NDArray[np.int64], writer: str, refusals: list[Refusal]
    ) -> list[pl.DataFrame]:
        try:
            batch: pa.RecordBatch = pyruhvro.deserialize_array(bodies, self._own_text)
            # It checks UTF-8 over all strings of a column in one: two halves of a character pass that are two strings.
            batch.validate(full=True)
        except ValueError:
            if len(bodies) <= _SMALLEST_FAST_BATCH:
                return self._decode_slow(bodies, rows, writer, refusals)
            half = len(bodies) // 2
            return [
                *self._decode_fast(bodies[:half], rows[:half], writer, refusals),
                *self._decode_fast(bodies[half:], rows[half:], writer, refusals),
            ]
        lengths = np.fromiter(map(len, bodies), dtype=np.int64, count=len(bodies))
        whole = encoded_sizes(batch, self._fields) == lengths
        table = _to_table(batch).with_columns(pl.Series("row", rows, dtype=pl.UInt32))
        if whole.all():
            return [table]
        doubtful = np.flatnonzero(~whole)
        judged = self._decode_slow([bodies[i] for i in doubtful.tolist()], rows[doubtful], writer, refusals)
        return [table.filter(pl.Series(whole)), *judged]

    def _decode_slow(
        self, bodies: list[bytes], rows: npt.NDArray[np.int64], writer: str, refusals: list[Refusal]
    ) -> list[pl.DataFrame]:
        records = []
        read = datum.reader(parsed_schema(writer), parsed_schema(self._own_text))
        for body, row in zip(bodies, rows.tolist(), strict=True):
            try:
                records.append({**read(body), "row": row})
            except datum.BadDatumError as error:
                refusals.append(Refusal(row, Reason.UNDECODABLE, str(error)))
            except datum.UnresolvableSchemaError as error:
                refusals.append(Refusal(row, Reason.UNKNOWN_SCHEMA, str(error)))
        return [pl.DataFrame(records, schema={**self.dtypes, "row": pl.UInt32})]


def _serialize(batch: pa.RecordBatch, schema: str) -> list[pa.BinaryArray]:
    arrays: list[pa.BinaryArray] = pyruhvro.serialize_record_batch(batch, schema, 1)
    return arrays


def _to_table(batch: pa.RecordBatch) -> pl.DataFrame:
    columns = [column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in batch.columns]
    table = pl.from_arrow(pa.RecordBatch.from_arrays(columns, names=batch.schema.names))
    assert isinstance(table, pl.DataFrame)
    return table


def _dtype(avro_type: Any) -> type[pl.String] | type[pl.Int64]:
    """The contract's field types are string, long, timestamps (long) and nullables of these."""
    if isinstance(avro_type, list):
        return _dtype(next(each for each in avro_type if each != "null"))
    return pl.String if avro_type == "string" else pl.Int64
