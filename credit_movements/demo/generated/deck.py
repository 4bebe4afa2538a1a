"""The company's rate deck: three rate cards, and prices that change in the middle of the month."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from credit_movements.demo.generated.destinations import DESTINATIONS
from streams.pricing.deck.sheet import COLUMNS

DEFAULT_CARD: Final = "default"
DAYS_COVERED: Final = 40
DAYS_SINCE_CHANGE: Final = 15
SAMPLE_EFFECTIVE_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)

_MMS_PREFIXES: Final = ("1", "31", "44", "447", "49")
_WHATSAPP_PREFIXES: Final = ("1", "44", "49", "55", "91")
_CHANGING_CALLS: Final = ("44", "447", "336", "337", "393", "4915", "4916", "4917", "90", "905")


@dataclass(frozen=True)
class Card:
    """`discount` is what of the list price is charged, in `currency`; calls go by `increments`, `fallback` is for the
    rest of the world (None: a number that no prefix covers has no price)."""

    rate_card_id: str
    currency: str
    discount: Decimal
    increments: tuple[int, int]
    fallback_cents: Decimal | None


CARDS: Final = (
    Card(DEFAULT_CARD, "EUR", Decimal(1), (60, 60), None),
    Card("business-eur", "EUR", Decimal("0.85"), (30, 6), Decimal(39)),
    Card("wholesale-usd", "USD", Decimal("0.7"), (1, 1), Decimal(45)),
)


@dataclass(frozen=True)
class _Price:
    """One price of a card, before it gets its time: `price` for `price_units` units. `changes`: it was cheaper before the
    change in the middle of the month."""

    usage_type: str
    prefix: str
    name: str
    unit: str
    increments: tuple[int, int]
    price: Decimal
    price_units: int = 1
    changes: bool = False


def deck(now_micros: int) -> str:
    """The deck as CSV text: prices for the 40 days before `now_micros`, some changed 15 days ago at noon (UTC)."""
    midnight = datetime.fromtimestamp(now_micros // 10**6, UTC).replace(hour=0, minute=0, second=0)
    start = midnight - timedelta(days=DAYS_COVERED)
    change = midnight - timedelta(days=DAYS_SINCE_CHANGE) + timedelta(hours=12)
    return _csv(line for card in CARDS for price in _prices(card) for line in _periods(card, price, start, change))


def sample_deck() -> str:
    """The deck of a new data folder: the same prices, in force since long ago."""
    return _csv(_line(card, price, SAMPLE_EFFECTIVE_FROM) for card in CARDS for price in _prices(card))


def _prices(card: Card) -> Iterator[_Price]:
    yield from _call_prices(card)
    yield from _message_prices(card)
    minutes = (60, 60)
    yield _Price(
        "ai-voice-agents", "", "AI voice agents", "minutes", minutes, _money(card, Decimal("6.9")), changes=True
    )
    yield _Price("stt", "", "Speech to text", "minutes", minutes, _money(card, Decimal("1.45")))


def _call_prices(card: Card) -> Iterator[_Price]:
    for each in DESTINATIONS:
        yield _call_price(card, each.prefix, each.name, each.call_cents, each.prefix in _CHANGING_CALLS)
    if card.fallback_cents is not None:
        yield _call_price(card, "", "Rest of the world", card.fallback_cents)


def _call_price(card: Card, prefix: str, name: str, cents: Decimal, changes: bool = False) -> _Price:
    """A price per minute, charged by the second."""
    return _Price("call", prefix, name, "seconds", card.increments, _money(card, cents), 60, changes)


def _message_prices(card: Card) -> Iterator[_Price]:
    once = (1, 1)
    for each in DESTINATIONS:
        changes = each.prefix.startswith("49")
        yield _Price("sms", each.prefix, each.name, "fragments", once, _money(card, each.sms_cents), changes=changes)
    if card.fallback_cents is not None:
        yield _Price("sms", "", "Rest of the world", "fragments", once, _money(card, Decimal("12.5")))
    names = {each.prefix: each.name for each in DESTINATIONS}
    for position, prefix in enumerate(_WHATSAPP_PREFIXES):
        message = _money(card, Decimal("5.5") - position * Decimal("0.6"))
        yield _Price("whatsapp", prefix, names[prefix], "messages", once, message)
    yield _Price("whatsapp", "", "Any", "messages", once, _money(card, Decimal("7.25")))
    for prefix in _MMS_PREFIXES:
        yield _Price("mms", prefix, names[prefix], "messages", once, _money(card, Decimal("19.5")))


def _periods(card: Card, price: _Price, start: datetime, change: datetime) -> Iterator[dict[str, str]]:
    if price.changes:
        yield _line(card, price, start, change, _rounded(price.price * Decimal("0.9")))
    yield _line(card, price, change if price.changes else start)


def _line(
    card: Card,
    price: _Price,
    effective_from: datetime,
    effective_to: datetime | None = None,
    amount: Decimal | None = None,
) -> dict[str, str]:
    fields = (
        card.rate_card_id,
        price.usage_type,
        price.prefix,
        price.name,
        price.unit,
        "60" if price.unit == "minutes" else "1",
        str(price.increments[0]),
        str(price.increments[1]),
        f"{price.price if amount is None else amount:f}",
        str(price.price_units),
        card.currency,
        _iso(effective_from),
        "" if effective_to is None else _iso(effective_to),
    )
    return dict(zip(COLUMNS, fields, strict=True))


def _csv(lines: Iterator[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _money(card: Card, cents: Decimal) -> Decimal:
    return _rounded(cents * card.discount / 100)


def _rounded(amount: Decimal) -> Decimal:
    """Nine decimals at most, no zeros at the end."""
    digits = amount.quantize(Decimal("1e-9")).normalize()
    return digits if digits else Decimal(0)


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
