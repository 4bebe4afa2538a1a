"""Which rate is in force for each row of a batch: longest prefix first, then the event's time.

Nested prefixes of one (card, usage type) are flattened once into sorted disjoint ranges of number codes, and the rates of
one prefix into sorted disjoint periods. A batch then needs two binary searches, however many rates there are. Where no rate
of the longest prefix is in force at the event's time, the next shorter prefix is asked.
"""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from streams.events.sorted_keys import NONE, Ints, SortedKeys
from streams.pricing.numbers import prefix_range
from streams.pricing.rates import Rate


class RateBook:
    """All rates of all cards, ready for batches. Where `find` gives i, it means `rates[i]`."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self.rates = list(rates)
        self.card_index = _index(rate.rate_card_id for rate in self.rates)
        self.type_index = _index(rate.usage_type for rate in self.rates)
        self.card_currencies = [""] * len(self.card_index)
        by_group: dict[tuple[int, int], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for i, rate in enumerate(self.rates):
            card = self.card_index[rate.rate_card_id]
            self.card_currencies[card] = rate.currency
            by_group[card, self.type_index[rate.usage_type]][rate.destination_prefix].append(i)
        self._groups = np.full((len(self.card_index) + 1, len(self.type_index) + 1), NONE, dtype=np.int64)
        parents: list[int] = []
        ranges: list[tuple[int, int, int]] = []
        periods: list[tuple[int, int, int]] = []
        for group, ((card, usage_type), prefixes) in enumerate(by_group.items()):
            self._groups[card, usage_type] = group
            first_node = len(parents)
            for start, node in _flatten(sorted(prefixes), parents, first_node):
                ranges.append((group, start, node))
            for node, prefix in enumerate(sorted(prefixes), first_node):
                periods += [(node, start, rate) for start, rate in self._periods(prefixes[prefix])]
        self._parents = np.array(parents, dtype=np.int64)
        self._ranges = SortedKeys.of(ranges)
        self._periods_of_nodes = SortedKeys.of(periods)

    def find(self, cards: Ints, usage_types: Ints, number_codes: Ints, occurred_at: Ints) -> Ints:
        """The index in `rates` of the rate for each row, or NONE; all arrays have one int64 a row.

        `cards` and `usage_types` are by `card_index` and `type_index`, NONE where the name is unknown.
        """
        # NONE is the index -1: it picks the last row or column of the table, which has no groups.
        nodes = self._ranges.last_at_or_before(self._groups[cards, usage_types], number_codes)
        found = np.full(len(nodes), NONE, dtype=np.int64)
        open_rows = np.flatnonzero(nodes != NONE)
        while len(open_rows):
            at_nodes = nodes[open_rows]
            rates = self._periods_of_nodes.last_at_or_before(at_nodes, occurred_at[open_rows])
            found[open_rows] = rates
            nodes[open_rows] = self._parents[at_nodes]
            open_rows = open_rows[(rates == NONE) & (nodes[open_rows] != NONE)]
        return found

    def _periods(self, candidates: list[int]) -> list[tuple[int, int]]:
        """(start, rate or NONE) of one prefix: at each time the rate in force with the latest effective_from."""
        edges = {self.rates[i].effective_from for i in candidates}
        edges |= {end for i in candidates if (end := self.rates[i].effective_to) is not None}
        by_start = sorted(candidates, key=lambda i: self.rates[i].effective_from, reverse=True)
        return [(edge, next((i for i in by_start if _in_force(self.rates[i], edge)), NONE)) for edge in sorted(edges)]


def _in_force(rate: Rate, at: int) -> bool:
    return rate.effective_from <= at and (rate.effective_to is None or at < rate.effective_to)


def _index(names: Iterable[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(dict.fromkeys(names))}


def _flatten(prefixes: list[str], parents: list[int], first_node: int) -> list[tuple[int, int]]:
    """(first code, node) of disjoint ranges in rising order, NONE for a gap; appends each prefix's parent node.

    `prefixes` are sorted, so that a prefix stands before all that begin with it.
    """
    ranges: list[tuple[int, int]] = []
    open_nodes: list[tuple[int, int]] = []

    def close_until(code: int) -> None:
        while open_nodes and open_nodes[-1][0] <= code:
            end, _ = open_nodes.pop()
            ranges.append((end, open_nodes[-1][1] if open_nodes else NONE))

    for node, prefix in enumerate(prefixes, first_node):
        first, end = prefix_range(prefix)
        close_until(first)
        parents.append(open_nodes[-1][1] if open_nodes else NONE)
        ranges.append((first, node))
        open_nodes.append((end, node))
    if open_nodes:
        close_until(open_nodes[0][0])
    # Of ranges that begin at the same code, the last one is of the longest prefix, and `dict` keeps it.
    return sorted(dict(ranges).items())
