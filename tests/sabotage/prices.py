"""The sabotages of prices: in the raters' lists, in decks, and where they are published."""

import math

import pytest

from credit_movements.publishing import prices
from streams import price_feed
from streams.pricing.deck import parsing
from streams.pricing.rate_book import Nodes


def let_prices_lag(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(price_feed, "MOST_LAG_SECONDS", math.inf)


def keep_changed_prefixes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Nodes, "without", lambda nodes, _: nodes)


def any_cells(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(parsing, "are_clean", lambda texts, is_name: texts.is_not_null())


def ours_before_what_came_meanwhile(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prices, "deepcopy", lambda history: history)
