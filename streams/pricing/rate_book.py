"""Which rate is in force for each row of a batch: longest prefix first, then the event's time.

The prefixes of one (card, usage type) lie sorted by their codes, and each knows the next shorter prefix that begins it. So one
binary search finds the longest prefix of a number or one near it, and a few steps to shorter ones lead there. The rates of one
prefix are flattened into sorted disjoint periods. Where none is in force at the event's time, the next shorter prefix is asked.

A book is one large part, and a small one with the prefixes that have changed since the large one was made. The small one has
all rates of these prefixes, and they have no periods in the large one. So of two rates that are found, that of the longer
prefix counts. One change costs what the small part costs; now and then all is made into one large part anew.
"""

from dataclasses import dataclass, replace

import numpy as np

from streams.events.sorted_keys import NONE, Ints, distinct, enclosing, first_entries, last_at_or_before
from streams.pricing.numbers import codes_of_prefix
from streams.pricing.rate_columns import OPEN_END
from streams.pricing.rate_table import RateTable
from streams.pricing.tables.hash_index import Mask

# The small part is at most this part of the large one: so the large one is made seldom, and a change still costs little.
_RECENT_PART = 16
_MOST_BITS = 62
# So many prefixes are found quickly in any order.
_IN_CACHE = 10_000


@dataclass(frozen=True)
class Nodes:
    """Prefixes of groups, sorted; the columns have an entry for each. `rates`: those of each prefix, from `firsts` on.

    `starts` and `rates_from`: the periods of each prefix, from `period_firsts` to `period_ends`: from when on which rate is in
    force, or NONE.
    """

    keys: "NodeKeys"
    ends: Ints
    parents: Ints
    rates: Ints
    firsts: Ints
    starts: Ints
    rates_from: Ints
    period_firsts: Ints
    period_ends: Ints

    @classmethod
    def of(cls, table: RateTable, rates: Ints) -> "Nodes":
        """Of these rates, in any order."""
        groups, prefixes, begins = table.key.at(rates)
        order = np.lexsort((begins, prefixes, groups))
        rates, groups, prefixes, begins = rates[order], groups[order], prefixes[order], begins[order]
        is_first = first_entries(groups) | first_entries(prefixes)
        firsts = np.flatnonzero(is_first)
        node_groups, codes, lengths = groups[firsts], prefixes[firsts], table.prefix_lengths[rates[firsts]]
        ends = codes + codes_of_prefix(lengths)
        periods = _periods(is_first, begins, table.ends[rates])
        return cls(
            keys=NodeKeys.of(node_groups, codes, int(lengths.max(initial=1))),
            ends=ends,
            parents=enclosing(first_entries(node_groups), ends, beyond=False),
            rates=rates,
            firsts=np.append(firsts, len(rates)),
            starts=np.append(periods.starts, OPEN_END),
            rates_from=np.where(periods.entries == NONE, NONE, rates[periods.entries]) if len(rates) else rates,
            period_firsts=periods.firsts[:-1],
            period_ends=periods.firsts[1:],
        )

    def find(self, groups: Ints, codes: Ints, occurred_at: Ints) -> Ints:
        """The rate of each row, or NONE."""
        if len(self.ends) <= _IN_CACHE:
            return self._find(groups, codes, occurred_at)
        # By their numbers: what one row reads then mostly lies in the processor's cache for the next one.
        order = np.argsort(codes)
        found = np.empty(len(codes), dtype=np.int64)
        found[order] = self._find(groups[order], codes[order], occurred_at[order])
        return found

    def _find(self, groups: Ints, codes: Ints, occurred_at: Ints) -> Ints:
        nodes = self.keys.last_at_or_before(groups, codes)
        found = np.full(len(nodes), NONE, dtype=np.int64)
        rows = np.flatnonzero(nodes != NONE)
        outside = rows[codes[rows] >= self.ends[nodes[rows]]]
        while len(outside):
            nodes[outside] = self.parents[nodes[outside]]
            outside = outside[nodes[outside] != NONE]
            outside = outside[codes[outside] >= self.ends[nodes[outside]]]
        rows = rows[nodes[rows] != NONE]
        while len(rows):
            at = nodes[rows]
            periods = last_at_or_before(self.starts, self.period_firsts[at], self.period_ends[at], occurred_at[rows])
            rates = np.where(periods == NONE, NONE, self.rates_from[periods])
            found[rows] = rates
            nodes[rows] = self.parents[at]
            rows = rows[(rates == NONE) & (nodes[rows] != NONE)]
        return found

    def rates_of(self, nodes: Ints) -> Ints:
        """All rates of these prefixes."""
        counts = self.firsts[nodes + 1] - self.firsts[nodes]
        begins = np.cumsum(counts) - counts
        rates: Ints = self.rates[np.repeat(self.firsts[nodes] - begins, counts) + np.arange(counts.sum())]
        return rates

    def without(self, nodes: Ints) -> "Nodes":
        """The same, but no rate of these prefixes is ever in force."""
        period_ends = self.period_ends.copy()
        period_ends[nodes] = self.period_firsts[nodes]
        return replace(self, period_ends=period_ends)


@dataclass(frozen=True)
class NodeKeys:
    """(group, code) of each node in one integer: group * stride + code. A code is cut to the digits that the longest prefix
    has; where that does not fit into 64 bits, its rank among all codes stands for it (`all_codes`)."""

    groups: Ints
    codes: Ints
    keys: Ints
    stride: int
    divisor: int
    all_codes: Ints | None

    @classmethod
    def of(cls, groups: Ints, codes: Ints, most_digits: int) -> "NodeKeys":
        divisor = int(codes_of_prefix(np.array(most_digits)))
        stride = int(codes_of_prefix(np.array(0))) // divisor
        all_codes = None
        if ((int(groups.max(initial=0)) + 1) * stride).bit_length() > _MOST_BITS:
            all_codes = distinct(codes)
            stride = len(all_codes) + 1
        made = cls(groups, codes, np.zeros(0, dtype=np.int64), stride, divisor, all_codes)
        return replace(made, keys=made._keys_of(groups, codes))

    def last_at_or_before(self, groups: Ints, codes: Ints) -> Ints:
        """The last node of each row's group at or before its code, or NONE. A group of NONE has no nodes."""
        if not len(self.keys):
            return np.full(len(groups), NONE, dtype=np.int64)
        # A group that came later is not here, and its key might not fit.
        groups = np.where(groups <= self.groups[-1], groups, NONE)
        nodes = np.searchsorted(self.keys, self._keys_of(groups, codes), side="right") - 1
        return np.where((nodes >= 0) & (self.groups[nodes] == groups), nodes, NONE)

    def exactly_at(self, groups: Ints, codes: Ints) -> Ints:
        """The node of each row's group and code, or NONE."""
        nodes = self.last_at_or_before(groups, codes)
        return np.where((nodes != NONE) & (self.codes[nodes] == codes), nodes, NONE) if len(self.keys) else nodes

    def _keys_of(self, groups: Ints, codes: Ints) -> Ints:
        cut = codes // self.divisor if self.all_codes is None else np.searchsorted(self.all_codes, codes, side="right")
        keys: Ints = groups * self.stride + cut
        return keys


class RateBook:
    """All rates of all cards, ready for batches; it never changes. Where `find` gives i, it means row i of the table."""

    def __init__(self, table: RateTable, old: Nodes, recent: Nodes) -> None:
        self.type_index = table.types
        self._groups = table.groups
        self._lengths = table.prefix_lengths
        self._old = old
        self._recent = recent

    def find(self, cards: Ints, usage_types: Ints, number_codes: Ints, occurred_at: Ints) -> Ints:
        """The row of the rate for each row, or NONE; all arrays have one int64 a row.

        `cards` are numbers of cards with rates, or NONE. `usage_types` are by `type_index`, NONE where the name is unknown.
        """
        # NONE is the index -1: it picks the last row or column of the table, which has no groups.
        groups = self._groups[cards, usage_types]
        found = self._old.find(groups, number_codes, occurred_at)
        if len(self._recent.rates):
            recent = self._recent.find(groups, number_codes, occurred_at)
            rows = np.flatnonzero(recent != NONE)
            is_longer = (found[rows] == NONE) | (self._lengths[recent[rows]] > self._lengths[found[rows]])
            found[rows[is_longer]] = recent[rows[is_longer]]
        return found


class RateBooks:
    """Makes the books of a table that grows, one after the other. The small part takes at least `least_recent` rates."""

    def __init__(self, table: RateTable, least_recent: int) -> None:
        self._table = table
        self._least_recent = least_recent
        self._old = Nodes.of(table, np.arange(0))
        self._count = 0
        self._ended = np.zeros(0, dtype=np.int64)

    def book(self) -> RateBook:
        """Of the rates as they are now."""
        table = self._table
        ended = table.taken_ended()
        self._ended = distinct(self._ended, ended[ended < self._count])
        changed = np.concatenate([self._ended, np.arange(self._count, len(table))])
        if len(changed) > max(self._least_recent, len(table) // _RECENT_PART):
            self._old, self._count, self._ended = Nodes.of(table, np.arange(len(table))), len(table), changed[:0]
            changed = changed[:0]
        groups, prefixes, _ = table.key.at(changed)
        nodes = self._old.keys.exactly_at(groups, prefixes)
        nodes = distinct(nodes[nodes != NONE])
        recent = Nodes.of(table, distinct(self._old.rates_of(nodes), changed))
        return RateBook(table, self._old.without(nodes) if len(nodes) else self._old, recent)


@dataclass(frozen=True)
class _Periods:
    """`entries`: of each period the entry of the rate that is in force, or NONE. `firsts`: of each node its first period, and
    their count."""

    starts: Ints
    entries: Ints
    firsts: Ints


def _periods(is_first: Mask, begins: Ints, ends: Ints) -> _Periods:
    """The periods of rates that are sorted by node and begin: at each time the rate in force that began last.

    `is_first`: whether a rate is the first one of its node.
    """
    entries, nodes = np.arange(len(begins)), np.cumsum(is_first) - 1
    closed = np.flatnonzero(ends != OPEN_END)
    # Something changes only where a rate begins or ends.
    at_nodes, starts = np.append(nodes, nodes[closed]), np.append(begins, ends[closed])
    latest = np.append(entries, np.full(len(closed), NONE))
    if len(closed):
        order = np.lexsort((latest == NONE, starts, at_nodes))
        at_nodes, starts = at_nodes[order], starts[order]
        # The rate that began last; of a node's first change it is the node's own, since a rate begins before it ends.
        latest = np.maximum.accumulate(latest[order])
        is_change = first_entries(at_nodes) | first_entries(starts)
        at_nodes, starts, latest = at_nodes[is_change], starts[is_change], latest[is_change]
        before = enclosing(is_first, ends, beyond=True)
        rows = np.flatnonzero(ends[latest] <= starts)
        while len(rows):
            latest[rows] = before[latest[rows]]
            rows = rows[latest[rows] != NONE]
            rows = rows[ends[latest[rows]] <= starts[rows]]
    return _Periods(starts, latest, np.searchsorted(at_nodes, np.arange(int(is_first.sum()) + 1)))
