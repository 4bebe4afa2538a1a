"""The ledger of a time rated anew, block by block, and the files that come of it.

1. Read what adjustments have corrected, and whose numbers were erased: these movements cannot be rated anew.
2. Read the movements of usage in blocks. Rate each anew and add up; write its adjustments where they are asked for.
3. The file of adjustments gets its name when all of it is written: there is no half file.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from clickhouse_connect.driver.client import Client

from credit_movements.whatif.adjustments import Adjustments, Booking, EarlierAdjustments, adjustments_of
from credit_movements.whatif.files import whole_file
from credit_movements.whatif.revaluation import CURRENCY, Sums, rate_anew
from schemas.topics import ADJUSTMENT_EVENTS, USAGE_EVENTS
from sinks.read.adjustments import adjustments_that_name_a_movement
from sinks.read.erased import erased_accounts
from sinks.read.usage import count_usage, stream_usage
from streams.pricing.rating import Limits, PriceList

# As people read it; `publish` takes it.
_RFC3339 = "%Y-%m-%dT%H:%M:%S%.6fZ"

# Takes what is being done, and to how many records it was done so far.
OnProgress = Callable[[str, int], None]


@dataclass(frozen=True)
class Asked:
    """The usage of `from_micros` to `to_micros` (exclusive), by `prices`; with `at_micros` as if all had happened then."""

    from_micros: int
    to_micros: int
    prices: PriceList
    limits: Limits
    at_micros: int | None = None


@dataclass
class Written:
    """What the file of adjustments has: how many, and by currency what they give and take (nanos, 128 bits wide). The others
    are left out; see Adjustments. `oldest_micros`: when the oldest of them occurs."""

    events: int = 0
    too_old: int = 0
    too_large: int = 0
    already_given_back: int = 0
    oldest_micros: int | None = None
    _sums: list[pl.DataFrame] = field(default_factory=list)

    def add(self, made: Adjustments) -> None:
        self.events += len(made.events)
        self.too_old += made.too_old
        self.too_large += made.too_large
        self.already_given_back += made.already_given_back
        if len(made.events):
            oldest = int(made.events["occurred_at"].min())  # type: ignore[arg-type]  # it is a whole number
            self.oldest_micros = min(oldest, self.oldest_micros or oldest)
            self._sums.append(_given_and_taken(made.events))

    def by_currency(self) -> list[tuple[str, int, int]]:
        """(currency, what is given, what is taken), by currency."""
        if not self._sums:
            return []
        return pl.concat(self._sums).group_by("currency").agg(pl.col("given", "taken").sum()).sort("currency").rows()


@dataclass
class WhatIf:
    """`erased`: how many movements are of accounts whose numbers were erased; they are in no other figure. `corrected`: how
    many movements of the whole ledger adjustments name. `written`: None where no adjustments were asked for."""

    asked: Asked
    sums: Sums
    corrected: int
    erased: int = 0
    written: Written | None = None


def rate_ledger_anew(
    client: Client,
    asked: Asked,
    adjust: tuple[Path, Booking] | None,
    on_progress: OnProgress = lambda *_: None,
) -> WhatIf:
    """Rate the usage anew; with `adjust` write the adjustments into its file.

    Raises MovementsUnavailableError, ClickHouse's own errors, FileNotWrittenError. There is no file then, nor where it is
    interrupted.
    """
    earlier = EarlierAdjustments(adjustments_that_name_a_movement(client, ADJUSTMENT_EVENTS.name))
    found = WhatIf(asked, Sums(), len(earlier), written=None if adjust is None else Written())
    if adjust is None:
        _rate(client, found, earlier, on_progress, lambda _: None, None)
        return found
    path, booking = adjust
    with whole_file(path) as file:

        def write(made: Adjustments) -> None:
            assert found.written is not None
            found.written.add(made)
            file.write(as_json_lines(made.events))

        _rate(client, found, earlier, on_progress, write, booking)
    return found


def _rate(
    client: Client,
    found: WhatIf,
    earlier: EarlierAdjustments,
    on_progress: OnProgress,
    write: Callable[[Adjustments], None],
    booking: Booking | None,
) -> None:
    asked = found.asked
    period = (asked.from_micros, asked.to_micros, USAGE_EVENTS.name)
    erased, expected = erased_accounts(client), count_usage(client, *period)
    with_ids = booking is not None or len(earlier) > 0
    for block in stream_usage(client, *period, expected, with_ids=with_ids):
        movements = block.filter(~pl.col("account_id").is_in(erased)) if erased else block
        found.erased += len(block) - len(movements)
        anew = rate_anew(movements, asked.prices, asked.limits, asked.at_micros)
        paid = movements["movement_nanos"].to_numpy() + earlier.of(movements)[0]
        found.sums.add(movements, paid, anew)
        if booking is not None:
            write(adjustments_of(movements, anew, earlier, booking))
        on_progress(f"rating {expected:,} movements anew", found.sums.movements)


def as_json_lines(events: pl.DataFrame) -> bytes:
    """Adjustments as `publish` takes them, a line each."""
    times = pl.from_epoch("occurred_at", "us").dt.strftime(_RFC3339).alias("occurred_at")
    return events.with_columns(times).write_ndjson().encode()


def _given_and_taken(events: pl.DataFrame) -> pl.DataFrame:
    amount = pl.col("amount_nanos").cast(pl.Int128)
    return events.group_by("currency").agg(
        amount.filter(pl.col("amount_nanos") > 0).sum().alias("given"),
        amount.filter(pl.col("amount_nanos") < 0).sum().alias("taken"),
    )


def accounts_of(found: WhatIf) -> pl.DataFrame:
    """`account_id`, `currency`, `movements`, `paid`, `would_have_paid`, `difference` (nanos): the largest difference first."""
    return found.sums.by("account_id").rename({CURRENCY: "currency", "anew": "would_have_paid"})
