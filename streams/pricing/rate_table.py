"""The published rates that stand, as columns: of a key the first record, of a card the first currency.

A row is never removed and never changes but for its end, so its number is its rate's name for as long as the process runs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from streams.events.names import indexed
from streams.events.sorted_keys import NONE, Ints, first_entries
from streams.pricing.numbers import prefix_codes
from streams.pricing.rate_checks import RATE_COLUMNS, are_good_rates, faults_of, max_units
from streams.pricing.rate_columns import NO_RATE, OPEN_END, UNITS, Key, Number
from streams.pricing.rates import BadRateError, Rate, changes_of
from streams.pricing.tables.growing import GrowingColumn, GrowingTexts
from streams.pricing.tables.hash_index import HashIndex, Mask


class TakenRates(NamedTuple):
    """What became of each row. `is_first`: it is the first of its key. `is_new`: it says something that was not so before.
    `refused`: row → why it changes nothing."""

    is_first: Mask
    is_new: Mask
    refused: dict[int, BadRateError]


class _Batch(NamedTuple):
    """Rates that are good by themselves, and where they stand in their table."""

    table: pl.DataFrame
    rows: Ints
    key: Key
    cards: Ints
    currencies: Ints
    numbers: Ints
    ends: Ints


class RateTable:
    """`cards`, `types`, `currencies`: name → number, replaced by a larger one where something is added.

    Of each card, with rates or without: `currency_of_cards`, the number of its currency or NONE, and `begin_of_cards`, when its
    first rate begins (microseconds) or OPEN_END. `groups`: the group of each card and usage type, or NONE.
    """

    def __init__(self) -> None:
        self.cards: dict[str, int] = {}
        self.types: dict[str, int] = {}
        self.currencies: dict[str, int] = {}
        self.currency_of_cards = np.zeros(0, dtype=np.int64)
        self.begin_of_cards = np.zeros(0, dtype=np.int64)
        self.groups = np.full((1, 1), NONE, dtype=np.int64)
        self._cards_and_types: list[tuple[int, int]] = []
        self._numbers = GrowingColumn(np.int64, len(Number))
        self._groups = GrowingColumn(np.int64)
        self._prefixes = GrowingColumn(np.int64)
        self._prefix_lengths = GrowingColumn(np.int64)
        self._ends = GrowingColumn(np.int64)
        self._prefix_texts = GrowingTexts()
        self._destination_names = GrowingTexts()
        self._numbers.append(NO_RATE)
        self._prefix_texts.append(pl.Series([None], dtype=pl.String))
        self._destination_names.append(pl.Series([None], dtype=pl.String))
        self._index = HashIndex()
        self._ended: list[Ints] = []

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def numbers(self) -> Ints:
        """A row for each rate, with the columns of `Number`."""
        return self.numbers_behind_none[1:]

    @property
    def numbers_behind_none(self) -> Ints:
        """The same, behind a row for events without a rate."""
        return self._numbers.values

    @property
    def key(self) -> Key:
        return Key(self._groups.values, self._prefixes.values, self.numbers[:, Number.EFFECTIVE_FROM])

    @property
    def prefix_lengths(self) -> Ints:
        return self._prefix_lengths.values

    @property
    def ends(self) -> Ints:
        """The ends as they are now (microseconds), OPEN_END where there is none."""
        return self._ends.values

    @property
    def prefix_texts_behind_none(self) -> pl.Series:
        """The prefix of each rate, behind a null for events without a rate."""
        return self._prefix_texts.values

    @property
    def destination_names_behind_none(self) -> pl.Series:
        """The destination's name of each rate, behind a null for events without a rate."""
        return self._destination_names.values

    def currency_names_of_cards(self) -> list[str | None]:
        """The currency of each card, None for a card without rates."""
        names = [*self.currencies, None]
        return [names[number] for number in self.currency_of_cards.tolist()]

    def numbered_cards(self, names: pl.Series) -> Ints:
        """The number of each card, with rates or without."""
        self.cards = _with_names(self.cards, names)
        if more := len(self.cards) - len(self.currency_of_cards):
            self.currency_of_cards = np.append(self.currency_of_cards, np.full(more, NONE))
            self.begin_of_cards = np.append(self.begin_of_cards, np.full(more, OPEN_END))
        return indexed(names, self.cards)

    def taken_ended(self) -> Ints:
        """The rows whose ends have changed since this was asked before."""
        ended = np.concatenate([*self._ended, np.zeros(0, dtype=np.int64)])
        self._ended.clear()
        return ended

    def table(self, rows: Ints) -> pl.DataFrame:
        """These rates with RATE_COLUMNS."""
        picked = pl.Series(rows)
        numbers = self.numbers[rows]
        cards_and_types = np.array(self._cards_and_types, dtype=np.int64).reshape(-1, 2)[self._groups.values[rows]]
        cards = pl.Series(list(self.cards), dtype=pl.String).gather(pl.Series(cards_and_types[:, 0]))
        currencies = pl.Series(list(self.currencies), dtype=pl.String)
        ends = pl.Series(self.ends[rows])
        return pl.DataFrame(
            {
                "rate_card_id": cards,
                "usage_type": pl.Series(list(self.types), dtype=pl.String).gather(pl.Series(cards_and_types[:, 1])),
                "destination_prefix": self._prefix_texts.values.gather(picked + 1),
                "destination_name": self._destination_names.values.gather(picked + 1),
                "unit": pl.Series(UNITS).gather(pl.Series(numbers[:, Number.UNIT])),
                **{name.lower(): pl.Series(numbers[:, Number[name]]) for name in _SHOWN},
                "currency": currencies.gather(pl.Series(self.currency_of_cards[cards_and_types[:, 0]])),
                "effective_to": ends.set(ends == OPEN_END, None),
            },
            schema_overrides=RATE_COLUMNS,
        ).select(*RATE_COLUMNS)

    def put(self, rates: pl.DataFrame) -> TakenRates:
        """Take the next rates of the topic, a table with RATE_COLUMNS."""
        rates = rates.select(*RATE_COLUMNS)
        good = are_good_rates(rates)
        nothing = np.zeros(len(rates), dtype=bool)
        taken = TakenRates(nothing, nothing.copy(), faults_of(Rate.checked, rates, ~good))
        rows = np.flatnonzero(good)
        if len(rows):
            self._put(self._batch(rates if len(rows) == len(rates) else rates[rows], rows), taken)
        return taken

    def _put(self, batch: _Batch, taken: TakenRates) -> None:
        known, count = self._find(batch.key), len(self)
        has_currency = batch.currencies == self.currency_of_cards[batch.cards]
        firsts = self._append_firsts(batch, np.flatnonzero(has_currency & (known == NONE)))
        standing = np.where(known == NONE, self._find(batch.key), known) if len(firsts) else known
        rows = np.arange(len(standing))
        # A record in another currency that came before the first of its key met none.
        came_at = np.full(len(standing), NONE) if not len(firsts) else firsts[np.clip(standing - count, 0, None)]
        standing = np.where((standing >= count) & (came_at > rows), NONE, standing)
        is_first = (standing >= count) & (came_at == rows)
        differs = np.zeros(len(rows), dtype=bool)
        again = np.flatnonzero((standing != NONE) & ~is_first)
        differs[again] = ~has_currency[again] | self._differ(batch, again, standing[again])
        self._refuse(batch, np.flatnonzero((standing == NONE) | differs), standing, taken)
        accepted = np.flatnonzero((standing != NONE) & ~differs)
        is_new = self._set_ends(standing[accepted], batch.ends[accepted], count)
        taken.is_first[batch.rows[is_first]] = True
        taken.is_new[batch.rows[accepted]] = is_new | is_first[accepted]

    def _batch(self, rates: pl.DataFrame, rows: Ints) -> _Batch:
        cards = self.numbered_cards(rates["rate_card_id"])
        self.types = _with_names(self.types, rates["usage_type"])
        self.currencies = _with_names(self.currencies, rates["currency"])
        currencies = indexed(rates["currency"], self.currencies)
        # From the last to the first: where a card comes more than once, its first currency is set last, and stands.
        unpriced = np.flatnonzero(self.currency_of_cards[cards] == NONE)[::-1]
        if len(unpriced):
            self.currency_of_cards = self.currency_of_cards.copy()
            self.currency_of_cards[cards[unpriced]] = currencies[unpriced]
        numbers = rates.select(
            pl.col("unit").replace_strict(list(UNITS), list(range(len(UNITS))), return_dtype=pl.Int64),
            *(name.lower() for name in _SHOWN[:-1]),
            max_units().cast(pl.Int64).alias("max_units"),
            "effective_from",
        ).to_numpy()
        groups = self._groups_of(cards, indexed(rates["usage_type"], self.types))
        key = Key(groups, prefix_codes(rates["destination_prefix"]), numbers[:, Number.EFFECTIVE_FROM])
        ends = rates["effective_to"].fill_null(OPEN_END).to_numpy()
        return _Batch(rates, rows, key, cards, currencies, numbers, ends)

    def _groups_of(self, cards: Ints, types: Ints) -> Ints:
        if self.groups.shape != (shape := (len(self.cards) + 1, len(self.types) + 1)):
            groups = np.full(shape, NONE, dtype=np.int64)
            groups[: len(self.groups) - 1, : self.groups.shape[1] - 1] = self.groups[:-1, :-1]
            self.groups = groups
        missing = np.flatnonzero(self.groups[cards, types] == NONE)
        if len(missing):
            new = dict.fromkeys(zip(cards[missing].tolist(), types[missing].tolist(), strict=True))
            # A book may hold the table as it was.
            self.groups = self.groups.copy()
            for card, type_ in new:
                self.groups[card, type_] = len(self._cards_and_types)
                self._cards_and_types.append((card, type_))
        return self.groups[cards, types]

    def _find(self, key: Key) -> Ints:
        mine = self.key
        return self._index.find(key.hashes(), lambda wanted, rows: key.at(wanted).is_same(mine.at(rows)))

    def _append_firsts(self, batch: _Batch, candidates: Ints) -> Ints:
        """Append the first row of each key among the candidates (rising row numbers of the batch), and return those rows."""
        groups, prefixes, begins = batch.key.at(candidates)
        order = np.lexsort((begins, prefixes, groups))
        is_first = first_entries(groups[order]) | first_entries(prefixes[order]) | first_entries(begins[order])
        firsts = np.sort(candidates[order[is_first]]) if len(candidates) else candidates
        numbers = np.arange(len(self), len(self) + len(firsts))
        key, rates = batch.key.at(firsts), batch.table[firsts]
        self._numbers.append(batch.numbers[firsts])
        self._groups.append(key.groups)
        self._prefixes.append(key.prefixes)
        self._prefix_lengths.append(rates["destination_prefix"].str.len_bytes().cast(pl.Int64).to_numpy())
        self._prefix_texts.append(rates["destination_prefix"])
        self._destination_names.append(rates["destination_name"])
        self._ends.append(batch.ends[firsts])
        np.minimum.at(self.begin_of_cards, batch.cards[firsts], key.begins)
        self._index = self._index.added(key.hashes(), numbers)
        return firsts

    def _differ(self, batch: _Batch, rows: Ints, standing: Ints) -> Mask:
        """Whether rows of the batch differ in more than their ends from the rates that stand, whose keys they have."""
        names = self._destination_names.values.gather(pl.Series(standing + 1))
        other_name = (batch.table["destination_name"].gather(pl.Series(rows)) != names).to_numpy()
        differ: Mask = other_name | (batch.numbers[rows] != self.numbers[standing]).any(axis=1)
        return differ

    def _set_ends(self, rows: Ints, ends: Ints, count: int) -> Mask:
        """Set the ends of rates one after the other. Whether each was another one than before."""
        order = np.argsort(rows, kind="stable")
        rows, ends = rows[order], ends[order]
        before = np.where(first_entries(rows), self.ends[rows], np.roll(ends, 1))
        is_new = np.zeros(len(rows), dtype=bool)
        is_new[order] = ends != before
        # The last one of a rate is set last, and stands.
        self.ends[rows] = ends
        changed = rows[(ends != before) & (rows < count)]
        if len(changed):
            self._ended.append(changed)
        return is_new

    def _refuse(self, batch: _Batch, rows: Ints, standing: Ints, taken: TakenRates) -> None:
        currencies = list(self.currencies)
        records = [Rate(**record) for record in batch.table[rows].iter_rows(named=True)]
        known = np.where(standing[rows] == NONE, 0, standing[rows])
        others = self.table(known).iter_rows(named=True) if len(self) else iter([{}] * len(rows))
        for row, rate, other in zip(rows.tolist(), records, others, strict=True):
            if standing[row] != NONE:
                faults = changes_of(Rate(**other), rate)
            else:
                currency = currencies[self.currency_of_cards[batch.cards[row]]]
                faults = [("currency", f"{rate.currency}, but card {rate.rate_card_id!r} is in {currency}")]
            taken.refused[int(batch.rows[row])] = BadRateError(faults)


_SHOWN: Sequence[str] = [each.name for each in Number if each not in (Number.UNIT, Number.MAX_UNITS)]


def _with_names(index: dict[str, int], names: pl.Series) -> dict[str, int]:
    """The same index, or a larger one: batches that are being rated may read this one."""
    new = [name for name in names.unique(maintain_order=True).to_list() if name not in index]
    return {**index, **{name: number for number, name in enumerate(new, len(index))}} if new else index
