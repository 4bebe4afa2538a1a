"""What touches a movement: its line in the customer's files, the exports whose files have it, and adjustments. Pure but for the
storage."""

from typing import Final, NamedTuple

import polars as pl

from credit_movements.explain.explanation import Fields, HeldBy
from exporter.file.formats.csv_file import csv_chunks
from exporter.request.csv_options import UnknownOption
from exporter.request.window import Period
from exporter.storage.records import AcceptedRequest, ExportRecords

MOST_EXPORTS: Final = 100
_LINE: Final = (
    "interaction_id",
    "description",
    "unit",
    "units_charged",
    "price_nanos",
    "price_units",
    "credit_movement_nanos",
)


def csv_line(movement: Fields, time_zone: str) -> str | None:
    """The line as an export of this time zone has it; None where no file has it, since its amount is 0."""
    if movement["credit_movement_nanos"] == 0:
        return None
    at = movement["occurred_at"]
    block = pl.DataFrame([{"occurred_at_micros": at, **{name: movement[name] for name in _LINE}}])
    _, line = csv_chunks([block], Period(at, at + 1, time_zone))
    return line.decode().removesuffix("\r\n")


def exports_with(records: ExportRecords, movement: Fields) -> list[HeldBy]:
    """The account's exports whose files have the movement, of its newest MOST_EXPORTS, the newest first. `movement` has its
    place in the log. Raises StorageUnavailableError."""
    return [
        HeldBy(
            accepted.request.request_id,
            accepted.request.requested_at_micros,
            outcome.notification["file_name"],
            outcome.notification["expires_at"],
        )
        for accepted, outcome in records.newest_ended(movement["account_id"], MOST_EXPORTS)
        if outcome.notification["status"] == "completed" and _holds(accepted, movement)
    ]


def _holds(accepted: AcceptedRequest, movement: Fields) -> bool:
    """By the rule of `sinks.read.slice`."""
    period = accepted.period
    if period is None or accepted.log_end_offset is None or movement["credit_movement_nanos"] == 0:
        return False
    if not period.from_micros <= movement["occurred_at"] < period.to_micros:
        return False
    options = accepted.request.file.options()
    if isinstance(options, UnknownOption) or not options.shows(movement["description"], movement["unit"]):
        return False
    is_of_another_log = movement["log_id"] != accepted.movements_log_id
    is_in_partition = movement["log_partition"] == accepted.request.position.partition
    return bool(is_of_another_log or (is_in_partition and movement["log_offset"] < accepted.log_end_offset))


class Adjusted(NamedTuple):
    """`nanos`: the sum of all. `given_back`: what they give back of a charge together, or take back of a top-up, 0 or more.
    `exceeds`: that is more than the movement took (or, of a top-up, gave). `left`: how much more can be given (or taken) back
    until nothing of the movement is left, 0 or more."""

    nanos: int
    given_back: int
    exceeds: bool
    left: int

    @classmethod
    def by(cls, movement: Fields, adjustments: list[Fields]) -> "Adjusted":
        moved = movement["credit_movement_nanos"]
        nanos = sum(each["credit_movement_nanos"] for each in adjustments)
        given_back = max(0, nanos if moved <= 0 else -nanos)
        return cls(
            nanos, given_back, given_back > abs(moved), max(0, -(moved + nanos) if moved <= 0 else moved + nanos)
        )
