"""What was proved of one partition number: of its part of the log, of ClickHouse, and of both source topics.

All below `log_to` and below each source's `to` is settled. Every movement below `log_to` is sound, is a row of ClickHouse, and
is the outcome of an event below `to`. Every event below `to` has its outcome below `log_to`, or among the dead letters below
`letters_to`, or is a duplicate of a movement below `log_to`.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from credit_movements.audit.clickhouse.row_hashes import checksum
from credit_movements.audit.clickhouse.rows import Months, Sum

_SEGMENT: Final = 25_000
_MOST_SEGMENTS: Final = 4_096
_MODULUS: Final = 2**64
_MICROS: Final = 1_000_000


class Segment(NamedTuple):
    """Movements with `begin` <= log offset < `end`: how many, and the sum of their rows' hashes."""

    begin: int
    end: int
    movements: int
    checksum: int


@dataclass(frozen=True)
class ProvedSource:
    """Of one source topic. The counts are of the events from `first_offset` to `to`. `newest_at`: the latest `occurred_at` of
    its movements (microseconds), 0 where there is none."""

    first_offset: int = 0
    to: int = 0
    letters_to: int = 0
    consumed: int = 0
    movements: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    newest_at: int = 0


@dataclass(frozen=True)
class Proved:
    """`months`: the movements below `log_to` by the month and currency in which they occurred. `full_at`: when all of it was
    proved in one audit (seconds since 1970); later rounds added to it."""

    log_to: int
    sources: dict[str, ProvedSource]
    months: Months
    segments: list[Segment]
    full_at: float

    @property
    def movements(self) -> int:
        return sum(each.movements for each in self.segments)

    @property
    def checksum(self) -> int:
        return sum(each.checksum for each in self.segments) % _MODULUS

    @property
    def sums(self) -> dict[str, int]:
        """Nanos by currency."""
        total: dict[str, int] = {}
        for currencies in self.months.values():
            for currency, added in currencies.items():
                total[currency] = total.get(currency, 0) + added.nanos
        return total

    def newest_at(self) -> int:
        """A time that the newest record of both topics has surely passed, but for how far an event may be ahead."""
        return min((each.newest_at for each in self.sources.values()), default=0)

    def as_json(self) -> dict[str, Any]:
        return {
            "log_to": self.log_to,
            "sources": {topic: asdict(each) for topic, each in self.sources.items()},
            "months": {str(month): currencies for month, currencies in self.months.items()},
            "segments": self.segments,
            "full_at": self.full_at,
        }

    @classmethod
    def of_json(cls, said: dict[str, Any]) -> "Proved":
        """Raises KeyError, TypeError, ValueError."""
        return cls(
            log_to=int(said["log_to"]),
            sources={topic: ProvedSource(**each) for topic, each in said["sources"].items()},
            months={
                int(month): {currency: Sum(*each) for currency, each in currencies.items()}
                for month, currencies in said["months"].items()
            },
            segments=[Segment(*each) for each in said["segments"]],
            full_at=float(said["full_at"]),
        )


def months_of(movements: pl.DataFrame) -> Months:
    """Of movements with `occurred_at` (microseconds), `currency` and `credit_movement_nanos`."""
    at = pl.from_epoch("occurred_at", time_unit="us")
    sums = movements.group_by(month=at.dt.year() * 100 + at.dt.month(), currency="currency").agg(
        pl.len(), pl.col("credit_movement_nanos").cast(pl.Int128).sum()
    )
    months: Months = {}
    for month, currency, count, nanos in sums.iter_rows():
        months.setdefault(int(month), {})[currency] = Sum(int(count), int(nanos))
    return months


def added(all_months: Iterable[Months]) -> Months:
    """The sums of all."""
    total: Months = {}
    for months in all_months:
        for month, currencies in months.items():
            of_month = total.setdefault(month, {})
            for currency, (count, nanos) in currencies.items():
                before = of_month.get(currency, Sum(0, 0))
                of_month[currency] = Sum(before.movements + count, before.nanos + nanos)
    return total


def month_of(micros: int) -> int:
    """YYYYMM of an instant, UTC; 0 before 1970."""
    if micros <= 0:
        return 0
    at = datetime.fromtimestamp(micros // _MICROS, UTC)
    return at.year * 100 + at.month


def with_segments(before: list[Segment], table: pl.DataFrame, log_to: int) -> list[Segment]:
    """The segments before, and those of the movements in `table` (`log_offset`, rising, and `row`), which end at `log_to`.

    A short last segment is filled up first. Where there are too many, two become one.
    """
    offsets, rows = table["log_offset"].to_numpy(), table["row"].to_numpy()
    segments, at = list(before), 0
    begin = segments[-1].end if segments else 0
    while at < len(offsets):
        last = segments.pop() if segments and segments[-1].movements < _SEGMENT else Segment(begin, begin, 0, 0)
        until = min(at + _SEGMENT - last.movements, len(offsets))
        end = int(offsets[until]) if until < len(offsets) else log_to
        total = (last.checksum + checksum(rows[at:until])) % _MODULUS
        segments.append(Segment(last.begin, end, last.movements + until - at, total))
        begin, at = end, until
    if len(segments) > _MOST_SEGMENTS:
        pairs = [segments[number : number + 2] for number in range(0, len(segments), 2)]
        segments = [_joined(pair) for pair in pairs]
    return segments


def _joined(pair: list[Segment]) -> Segment:
    total = sum(each.checksum for each in pair) % _MODULUS
    return Segment(pair[0].begin, pair[-1].end, sum(each.movements for each in pair), total)


def newest_of(occurred_at: np.ndarray[Any, np.dtype[np.int64]], before: int) -> int:
    """The latest of them and `before`."""
    return max(before, int(occurred_at.max())) if len(occurred_at) else before
