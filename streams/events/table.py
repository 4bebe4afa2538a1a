"""Decoded usage events, top-ups and adjustments of one batch, as one table."""

import polars as pl

from schemas.topics import ADJUSTMENT_EVENTS, TOP_UP_EVENTS, USAGE_EVENTS, Topic

# Where and when a record lies in its log: `row` is its index in the batch, `recorded_at` its time, and `newest_at` the time of
# the newest record of its partition so far, its own included (microseconds, see `record_times`).
POSITION_COLUMNS: dict[str, type[pl.DataType]] = {
    "row": pl.UInt32,
    "partition": pl.Int64,
    "offset": pl.Int64,
    "recorded_at": pl.Int64,
    "newest_at": pl.Int64,
}
EVENT_COLUMNS: dict[str, type[pl.DataType]] = {
    **POSITION_COLUMNS,
    "source_topic": pl.String,
    "event_id": pl.String,
    "account_id": pl.String,
    "interaction_id": pl.String,
    "usage_type": pl.String,
    "quantity": pl.Int64,
    "destination": pl.String,
    "occurred_at": pl.Int64,
    "user_id": pl.String,
    "amount_nanos": pl.Int64,
    "currency": pl.String,
    "kind": pl.String,
    "corrected_movement_id": pl.String,
    "reason": pl.String,
    "direction": pl.String,
    "from_number": pl.String,
    "campaign_id": pl.String,
}
# Every account has these two sooner or later, and their newest records say how old an event may be that comes now.
STEADY_SOURCES: tuple[Topic, ...] = (USAGE_EVENTS, TOP_UP_EVENTS)
SOURCES: tuple[Topic, ...] = (*STEADY_SOURCES, ADJUSTMENT_EVENTS)
# Fields of a record that the table calls otherwise.
_CALLED = {ADJUSTMENT_EVENTS.name: {"movement_id": "corrected_movement_id"}}


def events_table(decoded: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """One table with EVENT_COLUMNS from the decoded records of each source topic, which have POSITION_COLUMNS too.

    A usage event has no amount and currency; a top-up has nothing that a usage event alone has, and a quantity of 0; an
    adjustment is like a top-up, and has a kind. The rows are in the order of the batch.
    """
    tables = [_with_all_columns(records, topic) for topic, records in decoded.items() if len(records)]
    if not tables:
        return pl.DataFrame(schema=EVENT_COLUMNS)
    return tables[0] if len(tables) == 1 else pl.concat(tables).sort("row")


def events_of_movements(movements: pl.DataFrame) -> pl.DataFrame:
    """The events that these movements (columns of CreditMovement) were made from: the columns of an event's id and content."""
    has_amount = pl.col("source_topic").is_in([TOP_UP_EVENTS.name, ADJUSTMENT_EVENTS.name])
    is_adjustment = pl.col("source_topic") == ADJUSTMENT_EVENTS.name
    return movements.select(
        "source_topic",
        pl.col("movement_id").alias("event_id"),
        "account_id",
        "interaction_id",
        pl.when(~has_amount).then("description").alias("usage_type"),
        "quantity",
        "destination",
        "occurred_at",
        "user_id",
        pl.when(has_amount).then("credit_movement_nanos").alias("amount_nanos"),
        pl.when(has_amount).then("currency").alias("currency"),
        pl.when(is_adjustment).then("description").alias("kind"),
        "corrected_movement_id",
        "reason",
        "direction",
        "from_number",
        "campaign_id",
    )


def _with_all_columns(records: pl.DataFrame, topic: str) -> pl.DataFrame:
    records = records.rename(_CALLED.get(topic, {}))
    constants: dict[str, str | int | None] = {"source_topic": topic, "quantity": 0}
    return records.select(
        (pl.col(name) if name in records.columns else pl.lit(constants.get(name))).cast(dtype).alias(name)
        for name, dtype in EVENT_COLUMNS.items()
    )
