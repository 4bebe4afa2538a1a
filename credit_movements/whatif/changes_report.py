"""What `rates diff OLD NEW` says, for people and for programs."""

from collections.abc import Iterator
from typing import Any, Final

import polars as pl
from rich.console import Console
from rich.table import Table

from credit_movements.terminal.texts import cell
from credit_movements.whatif.amounts import per_unit, plain_decimals, plain_value
from credit_movements.whatif.changes import ADDED, CHANGED, ENDED, Changes
from exporter.file.formats.csv_file import guarded

_MOST_SHOWN = 20
_RFC3339 = "%Y-%m-%dT%H:%M:%S%.6fZ"
_SIDES: Final = ("old", "new")
_TEXTS: Final = ("rate_card_id", "usage_type", "destination_prefix", "destination_name")


def readable(changes: Changes) -> pl.DataFrame:
    """The table of changes with amounts as plain decimals and times as RFC 3339: of each side `price` for `price_units` units,
    `value_per_unit`, and what a typical use costs; and the differences, where both sides have a price in the same unit."""
    table = changes.table
    columns = [*_TEXTS, "kind", "effective_from", "effective_to"]
    columns += [
        f"{side}_{name}"
        for side in _SIDES
        for name in (
            "prefix",
            "unit",
            "initial_increment",
            "increment",
            "price",
            "price_units",
            "value_per_unit",
            "typical",
        )
    ]
    columns += ["currency", "value_per_unit_difference", "typical_quantity", "typical_difference", "loses_its_rate"]
    difference = (pl.col("new_typical_nanos") - pl.col("old_typical_nanos")).alias("typical_difference")
    table = table.with_columns(
        difference,
        *(pl.from_epoch(name, "us").dt.strftime(_RFC3339).alias(name) for name in ("effective_from", "effective_to")),
        pl.coalesce("new_currency", "old_currency").alias("currency"),
        pl.col("new_prefix").is_null().alias("loses_its_rate"),
    )
    amounts = [
        plain_decimals(table[f"{side}_{name}_nanos"]).alias(f"{side}_{name}")
        for side in _SIDES
        for name in ("price", "typical")
    ]
    table = table.with_columns(*amounts, plain_decimals(table["typical_difference"]))
    return _with_values(table).select(columns)


def as_json(old: str, new: str, changes: Changes) -> dict[str, Any]:
    return {"old": old, "new": new, **_counts(changes), "rates": readable(changes).to_dicts()}


def changes_csv(changes: Changes) -> bytes:
    """All changes, a line each."""
    table = readable(changes)
    return table.with_columns(guarded(table[name]) for name in _TEXTS).write_csv().encode()


def show_changes(changes: Changes, console: Console) -> None:
    """The counts, and the largest changes of a typical use."""
    counts = _counts(changes)
    console.print(", ".join(f"{name.replace('_', ' ')}: {count:,}" for name, count in counts.items()), highlight=False)
    if changes.table.is_empty():
        return
    size = (pl.col("new_typical_nanos").fill_null(0) - pl.col("old_typical_nanos").fill_null(0)).abs()
    # Where numbers lose their rate, nobody can be charged: that comes first.
    largest = changes.table.sort(pl.col("new_prefix").is_null(), size, descending=True, maintain_order=True)
    table = Table("Rate", "From (UTC)", "", "Old price", "New price", "A unit", "Typical use", "Difference")
    for column in table.columns[3:]:
        column.justify = "right"
    for row in readable(Changes(largest.head(_MOST_SHOWN), 0)).iter_rows(named=True):
        table.add_row(*map(cell, _cells(row)))
    console.print(table)
    if (more := len(changes.table) - _MOST_SHOWN) > 0:
        console.print(f"and {more:,} more: --csv FILE or --json shows all.", highlight=False)


def _counts(changes: Changes) -> dict[str, int]:
    counted = {kind: changes.count(kind) for kind in (ADDED, ENDED, CHANGED)}
    return {**counted, "unchanged": changes.unchanged, "lose_their_rate": len(changes.lost)}


def _cells(row: dict[str, Any]) -> Iterator[str]:
    yield f"{row['rate_card_id']} {row['usage_type']} {row['destination_prefix']} {row['destination_name']}".rstrip()
    until = "" if row["effective_to"] is None else f" to {_minute(row['effective_to'])}"
    yield f"{_minute(row['effective_from'])}{until}"
    yield _what(row)
    yield _price(row, "old")
    yield _price(row, "new")
    yield row["value_per_unit_difference"] or ""
    yield f"{row['typical_quantity']}: {row['old_typical'] or '-'} → {row['new_typical'] or '-'} {row['currency']}"
    yield row["typical_difference"] or ""


def _what(row: dict[str, Any]) -> str:
    if row["loses_its_rate"]:
        return f"{row['kind']}: loses its rate"
    return f"{row['kind']}: {row['new_prefix'] or 'any'} instead" if row["kind"] == ENDED else str(row["kind"])


def _minute(at: str) -> str:
    return at[:16].replace("T", " ")


def _price(row: dict[str, Any], side: str) -> str:
    """As a deck has it."""
    price, units, unit, initial, increment = (
        row[f"{side}_{name}"] for name in ("price", "price_units", "unit", "initial_increment", "increment")
    )
    return "-" if price is None else f"{price} for {units} {unit}, {initial}/{increment}"


def _with_values(table: pl.DataFrame) -> pl.DataFrame:
    """Each pair of prices once: there are few."""
    prices = [f"{side}_{name}" for side in _SIDES for name in ("price_nanos", "price_units", "unit")]
    pairs = table.select(prices).unique(maintain_order=True)
    values = [_values(row) for row in pairs.iter_rows(named=True)]
    names = ("old_value_per_unit", "new_value_per_unit", "value_per_unit_difference")
    told = pl.DataFrame(values, schema=dict.fromkeys(names, pl.String()), orient="row")
    return table.join(pairs.hstack(told), on=prices, how="left", nulls_equal=True, maintain_order="left")


def _values(row: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    old, new = (
        None if row[f"{side}_price_nanos"] is None else per_unit(row[f"{side}_price_nanos"], row[f"{side}_price_units"])
        for side in _SIDES
    )
    comparable = old is not None and new is not None and row["old_unit"] == row["new_unit"]
    return (
        None if old is None else plain_value(old),
        None if new is None else plain_value(new),
        plain_value(new - old) if comparable and old is not None and new is not None else None,
    )
