"""What `rates diff --against` says, for people and for programs."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl
from rich.console import Console
from rich.table import Table

from credit_movements.terminal.texts import cell
from credit_movements.whatif.amounts import plain, plain_decimals
from credit_movements.whatif.revaluation import PREFIX, USAGE_TYPE
from credit_movements.whatif.service import WhatIf, accounts_of
from exporter.file.formats.csv_file import guarded
from streams.pricing.rates import rfc3339

AMOUNTS: Final = ("paid", "would_have_paid", "difference")
_MOST_ACCOUNTS, _MOST_DESTINATIONS = 5, 10
# Percent of what was paid: the accounts of each bar pay that much less or more, up to the next bound.
_BOUNDS: Final = (0, 5, 20, 50)
_BAR: Final = 40


def as_json(found: WhatIf, names: Mapping[str, str]) -> dict[str, Any]:
    """Amounts as texts of plain decimals, times RFC 3339. `names`: prefix → destination."""
    told: dict[str, Any] = {
        "from": rfc3339(found.asked.from_micros),
        "to": rfc3339(found.asked.to_micros),
        "as_if_at": None if found.asked.at_micros is None else rfc3339(found.asked.at_micros),
        "movements": found.sums.movements,
        "unrated": found.sums.refused.total(),
        "unrated_why": {check.name.lower(): count for check, count in found.sums.refused.items()},
        "erased": found.erased,
        "corrected": found.corrected,
        "totals": _rows(_totals(found)),
        "accounts": _rows(accounts_of(found)),
        "usage_types": _rows(_by(found, USAGE_TYPE)),
        "destinations": [row | {"name": names.get(row[PREFIX] or "")} for row in _rows(_by(found, PREFIX))],
        "histogram": [{"change": name, "accounts": count} for name, count in histogram(accounts_of(found))],
    }
    if found.written is not None:
        oldest = found.written.oldest_micros
        told["adjustments"] = {
            "events": found.written.events,
            "given": {currency: plain(given) for currency, given, _ in found.written.by_currency()},
            "taken": {currency: plain(taken) for currency, _, taken in found.written.by_currency()},
            "too_old": found.written.too_old,
            "too_large": found.written.too_large,
            "already_given_back": found.written.already_given_back,
            "oldest": None if oldest is None else rfc3339(oldest),
        }
    return told


def accounts_csv(found: WhatIf) -> bytes:
    """All accounts, a line each, the largest difference first."""
    accounts = with_plain_amounts(accounts_of(found))
    return accounts.with_columns(guarded(accounts["account_id"])).write_csv().encode()


def show_what_if(found: WhatIf, names: Mapping[str, str], console: Console) -> None:
    """The figures, the longest lists cut."""
    accounts = accounts_of(found)
    _show_table("Currency", _totals(found), "currency", console)
    _show_table("Usage type", _by(found, USAGE_TYPE), USAGE_TYPE, console)
    destinations = _by(found, PREFIX).with_columns(
        pl.col(PREFIX).map_elements(lambda prefix: f"{prefix} {names.get(prefix, '')}".strip(), pl.String)
    )
    _show_table("Destination as charged", destinations.head(_MOST_DESTINATIONS), PREFIX, console)
    for title, kept in (("Pay less", pl.col("difference") > 0), ("Pay more", pl.col("difference") < 0)):
        _show_table(title, accounts.filter(kept).head(_MOST_ACCOUNTS), "account_id", console)
    _show_histogram(accounts, console)
    for line in _notes(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def names_of(rates: pl.DataFrame) -> dict[str, str]:
    """Prefix → the name of its first rate."""
    named = rates.select(PREFIX, "destination_name").unique(PREFIX, keep="first", maintain_order=True)
    return dict(named.iter_rows())


def histogram(accounts: pl.DataFrame) -> list[tuple[str, int]]:
    """How many accounts pay how much less or more, in percent of what they paid; bars without accounts too."""
    size, base = pl.col("difference").abs(), pl.col("paid").abs()
    steps = pl.sum_horizontal((size * 100 > base * bound).cast(pl.Int64) for bound in _BOUNDS)
    step = pl.when(pl.col("difference") > 0).then(-steps).otherwise(steps)
    counts = dict(accounts.select(step.alias("step")).group_by("step").len().iter_rows())
    bars = range(-len(_BOUNDS), len(_BOUNDS) + 1)
    return [(_bar_name(bar), counts.get(bar, 0)) for bar in bars]


def with_plain_amounts(table: pl.DataFrame, columns: tuple[str, ...] = AMOUNTS) -> pl.DataFrame:
    return table.with_columns(plain_decimals(table[name]) for name in columns)


def _by(found: WhatIf, name: str) -> pl.DataFrame:
    return found.sums.by(name).rename({"currency_code": "currency", "anew": "would_have_paid"})


def _totals(found: WhatIf) -> pl.DataFrame:
    return _by(found, USAGE_TYPE).group_by("currency").agg(pl.col("movements", *AMOUNTS).sum()).sort("currency")


def _rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    return with_plain_amounts(table).to_dicts()


def _show_table(title: str, rows: pl.DataFrame, name: str, console: Console) -> None:
    if rows.is_empty():
        return
    table = Table(title, "Movements", "Paid", "Would have paid", "Difference", "")
    for column in table.columns[1:5]:
        column.justify = "right"
    for row in with_plain_amounts(rows).iter_rows(named=True):
        # What comes from outside is text, never markup.
        cells = [str(row[name] or ""), f"{row['movements']:,}", *(row[amount] for amount in AMOUNTS), row["currency"]]
        table.add_row(*map(cell, cells))
    console.print(table)


def _show_histogram(accounts: pl.DataFrame, console: Console) -> None:
    bars = histogram(accounts)
    most = max((count for _, count in bars), default=0)
    if not most:
        return
    table = Table("Accounts that pay", "Accounts", "")
    table.columns[1].justify = "right"
    for name, count in bars:
        table.add_row(name, f"{count:,}", "█" * -(-count * _BAR // most))
    console.print(table)


def _bar_name(bar: int) -> str:
    if not bar:
        return "the same"
    low, high = _BOUNDS[abs(bar) - 1], (*_BOUNDS, None)[abs(bar)]
    by = f"over {low} %" if high is None else f"up to {high} %" if not low else f"{low} to {high} %"
    return f"{by} {'less' if bar < 0 else 'more'}"


def _notes(found: WhatIf) -> Iterator[str]:
    asked = found.asked
    when = "" if asked.at_micros is None else f", as if all had happened at {rfc3339(asked.at_micros)}"
    yield (
        f"{_movements(found.sums.movements)} of usage from {rfc3339(asked.from_micros)} to {rfc3339(asked.to_micros)}{when}."
        " A movement is negative where it charges: a difference above 0 is in the customer's favour."
    )
    for check, count in sorted(found.sums.refused.items(), key=lambda each: each[0].name):
        why = f"by these prices they would be refused: {check.reason} ({check.name.lower()})"
        yield f"{_movements(count, 'is', 'are')} in no sum, since {why}."
    if found.erased:
        are = _movements(found.erased, "is", "are")
        yield f"{are} of accounts whose numbers were erased, and cannot be rated anew."
    if found.corrected:
        named = f"{_movements(found.corrected)} of the ledger {'is' if found.corrected == 1 else 'are'} named by adjustments"
        yield f"{named}: what corrections gave or took is in `Paid`."
    if found.written is not None:
        yield from _of_adjustments(found)


def _of_adjustments(found: WhatIf) -> Iterator[str]:
    written = found.written
    assert written is not None
    sums = "; ".join(
        f"{currency}: {plain(given)} given, {plain(-taken)} taken" for currency, given, taken in written.by_currency()
    )
    adjustments = "1 adjustment" if written.events == 1 else f"{written.events:,} adjustments"
    yield f"{adjustments} written" + (f" ({sums})." if sums else ": nothing is to be corrected.")
    if written.already_given_back:
        yield f"{_movements(written.already_given_back, 'was', 'were')} refunded before: that is not given back again."
    if written.too_old:
        yield (
            f"{_movements(written.too_old)} got no adjustment: raters would refuse it for its age (CREDIT_EVENT_MAX_AGE). "
            "--booked-at lets all adjustments occur at a time of yours."
        )
    if written.too_large:
        yield f"{_movements(written.too_large)} got no adjustment: it would be 1,000,000,000 or more."


def _movements(count: int, of_one: str = "", of_many: str = "") -> str:
    """So many movements, and the verb."""
    return f"1 movement {of_one}".strip() if count == 1 else f"{count:,} movements {of_many}".strip()
