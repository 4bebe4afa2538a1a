"""Every line of a file recomputed: amounts, order, period, and what they add up to."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from credit_movements.verify.amounts import attos_of, nanos_of, nanos_of_product, text_of
from credit_movements.verify.details import BALANCE, DetailCheck
from credit_movements.verify.details import COLUMNS as DETAILS
from credit_movements.verify.findings import Findings
from credit_movements.verify.local_clock import LocalClock
from credit_movements.verify.manifest import Manifest
from credit_movements.verify.reading.csv_rows import Row
from credit_movements.verify.texts import may_run

COLUMNS: Final = ["Date & Time", "Interaction ID", "Description", "Units", "Units charged", "Value per unit"]
COLUMNS.append("Credit movement")
TOP_UP: Final = "top-up"
_ADJUSTMENTS: Final = frozenset({"refund", "chargeback", "correction"})
_MOST_REMEMBERED: Final = 100_000
_MOST_KINDS: Final = 10_000
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Sums:
    """`by_kind`: (description, unit) → [rows, units charged, nanos]."""

    by_kind: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))


class RowCheck:
    """Checks the rows of one file, in their order."""

    def __init__(self, manifest: Manifest, findings: Findings) -> None:
        self.sums = Sums()
        self._manifest = manifest
        self._findings = findings
        self._clock = LocalClock(ZoneInfo(manifest.time_zone))
        # Printed times have their fractions cut.
        self._first = _micros(manifest.period_from) // 1_000_000
        self._last = (_micros(manifest.period_to) - 1) // 1_000_000
        self._newest = self._first
        self._details = DetailCheck(manifest, findings) if manifest.columns else None
        self._columns = COLUMNS + DETAILS if manifest.columns else COLUMNS
        self._is_csv = manifest.format == "csv"
        self._charges: dict[tuple[str, str], tuple[int, int, str] | None] = {}

    def check(self, rows: Iterator[Row]) -> None:
        """The header, then all others."""
        header = next(rows, None)
        if header is None or header[1] != self._columns:
            separator = self._manifest.csv_separator or ","
            self._findings.add(f"the header is not {separator.join(self._columns)}", 1)
        check = self._check_row
        for line, row in rows:
            check(row, line)

    def finish(self) -> None:
        """What can be said when all rows are read."""
        if self._details is not None:
            self._details.finish(self._manifest)

    def _check_row(self, row: list[str], line: int) -> None:
        if len(row) != len(self._columns):
            self._findings.add(f"{len(row)} cells, not {len(self._columns)}", line)
            return
        at, _, description, unit, units_text, value_text, movement_text = row[: len(COLUMNS)]
        instants = self._check_time(at, line)
        if self._is_csv:
            self._check_texts(row, line)
        if self._manifest.decimal_mark == ",":
            value_text, movement_text = self._with_points(line, value_text, movement_text)
        nanos = self._check_amounts(line, description, unit, units_text, value_text, movement_text)
        if self._details is not None and nanos is not None:
            details = row[len(COLUMNS) :]
            if self._manifest.decimal_mark == ",":
                [details[BALANCE]] = self._with_points(line, details[BALANCE])
            self._details.check(details, line, instants, at, unit, nanos)

    def _check_texts(self, row: list[str], line: int) -> None:
        texts = (row[1], row[2], *(each for at, each in enumerate(row[len(COLUMNS) :]) if at != BALANCE))
        if any(map(may_run, texts)):
            self._findings.add("a text that a spreadsheet would run as a formula", line)

    def _check_amounts(
        self, line: int, description: str, unit: str, units_text: str, value_text: str, movement_text: str
    ) -> int | None:
        """The nanos of the movement; None where it cannot be computed."""
        if unit:
            charge = self._charge(units_text, value_text)
            if charge is None:
                self._findings.add(
                    f"Units charged {units_text!r} or Value per unit {value_text!r} is no number of ours", line
                )
                return None
            units, nanos, expected = charge
            if movement_text != expected:
                nanos = self._told_otherwise(line, f"{units_text} x {value_text}", expected, movement_text)
        else:
            units, nanos = 0, self._without_unit(line, description, units_text + value_text, movement_text)
        if nanos == 0:
            self._findings.add("a movement of nothing", line)
        self._add(line, (description, unit), units, nanos)
        return nanos

    def _check_time(self, at: str, line: int) -> tuple[int, ...]:
        """The seconds since the epoch that it can be."""
        instants = self._clock.instants(at)
        if not instants:
            self._findings.add(f"Date & Time {at!r} is no time of {self._manifest.time_zone}", line)
        elif instants[-1] < self._first or instants[0] > self._last:
            self._findings.add(f"Date & Time {at} lies outside of the period", line)
        elif (instant := next((each for each in instants if each >= self._newest), None)) is not None:
            self._newest = instant
        else:
            self._findings.add(f"Date & Time {at} is earlier than that of the line before", line)
        return instants

    def _with_points(self, line: int, *amounts: str) -> list[str]:
        for amount in amounts:
            if "." in amount:
                self._findings.add(f"{amount} has a decimal point, the manifest says a comma", line)
        return [amount.replace(",", ".") for amount in amounts]

    def _charge(self, units_text: str, value_text: str) -> tuple[int, int, str] | None:
        """Units, nanos and text of the movement; None for what are no numbers."""
        key = (units_text, value_text)
        if key in self._charges:
            return self._charges[key]
        units, value_attos = nanos_of(units_text), attos_of(value_text)
        charge = None
        if units is not None and value_attos is not None and units >= 0 and value_attos >= 0 and "." not in units_text:
            units //= 10**9
            nanos = -nanos_of_product(units, value_attos)
            charge = (units, nanos, text_of(nanos))
        if len(self._charges) < _MOST_REMEMBERED:
            self._charges[key] = charge
        return charge

    def _without_unit(self, line: int, description: str, units_and_value: str, movement: str) -> int:
        """The nanos of a top-up, or of an adjustment, which has any sign."""
        if units_and_value:
            self._findings.add("a line without a unit has units or a value", line)
        nanos = nanos_of(movement)
        if description in _ADJUSTMENTS:
            if nanos is None:
                self._findings.add(f"Credit movement {movement!r} of a {description} is no amount", line)
        elif description != TOP_UP:
            self._findings.add(f"a line without a unit is {description!r}, neither a top-up nor an adjustment", line)
        elif nanos is None or nanos < 0:
            self._findings.add(f"Credit movement {movement!r} of a top-up is no positive amount", line)
        return nanos or 0

    def _told_otherwise(self, line: int, product: str, expected: str, movement: str) -> int:
        self._findings.add(f"Credit movement is {movement}, but {product} makes {expected}", line)
        return nanos_of(movement) or 0

    def _add(self, line: int, kind: tuple[str, str], units: int, nanos: int) -> None:
        by_kind = self.sums.by_kind
        if len(by_kind) >= _MOST_KINDS and kind not in by_kind:
            self._findings.add("more descriptions than a file of ours has", line)
            return
        total = by_kind[kind]
        total[0] += 1
        total[1] += units
        total[2] += nanos


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
