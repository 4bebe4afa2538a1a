"""The company's fifty customers: their names, where most of their traffic goes, and their rate cards."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from credit_movements.demo.generated.deck import DEFAULT_CARD

DAY_MICROS: Final = 86_400_000_000


@dataclass(frozen=True)
class Account:
    """`card`: on which card from the start, None: without a plan, on the default card. `later_card`: from the middle of
    the month, of the same currency. `home`: the prefix that most of its numbers begin with."""

    account_id: str
    home: str
    card: str | None = None
    later_card: str | None = None

    @property
    def currency(self) -> str:
        return "USD" if self.card == "wholesale-usd" else "EUR"

    @property
    def stays_on_default_card(self) -> bool:
        return self.card in {None, DEFAULT_CARD} and self.later_card is None


_BUSINESS: Final = "business-eur"
_WHOLESALE: Final = "wholesale-usd"

# The first is the largest.
ACCOUNTS: Final = (
    Account("acme-logistics", "49", _BUSINESS),
    Account("northwind-traders", "44", _BUSINESS),
    Account("blue-ridge-telecom", "1", _WHOLESALE),
    Account("café-münchen", "49"),
    Account("maison-lumière", "33", _BUSINESS),
    Account("株式会社山田商店", "81", _WHOLESALE),
    Account("van-dijk-transport", "31", DEFAULT_CARD),
    Account("trattoria-da-gino", "39"),
    Account("клиника-здоровье", "7", _BUSINESS),
    Account("o'hara & sons", "353", DEFAULT_CARD, _BUSINESS),
    Account("sunrise-clinics", "1", _WHOLESALE),
    Account("alpen-apotheke", "43", _BUSINESS, DEFAULT_CARD),
    Account("zürich-uhren", "41", _BUSINESS),
    Account("señor-taco", "34"),
    Account("istanbul-kargo", "90", _BUSINESS),
    Account("deutsche-radwege", "49", DEFAULT_CARD),
    Account("mumbai-mills", "91", _WHOLESALE),
    Account("kraków-kolej", "48", None, _BUSINESS),
    Account("lisboa-viagens", "351"),
    Account("fjord-fisk", "47", DEFAULT_CARD),
    Account("texas-title", "1", _WHOLESALE),
    Account("شركة النخيل", "971", _WHOLESALE),
    Account("berlin-bike-couriers", "4915"),
    Account("brno-strojírny", "420", DEFAULT_CARD),
    Account("sydney-surf", "61", _WHOLESALE),
    Account("goteborg-gods", "46", _BUSINESS),
    Account("helsinki-hifi", "358"),
    Account("athens-auto", "30", DEFAULT_CARD),
    Account("bucharest-bau", "40", _BUSINESS),
    Account("cairo-cotton", "20", _WHOLESALE),
    Account("12345", "49"),
    Account("key-account 7/B", "44", _BUSINESS),
    Account("hamburg-hafen", "49", _BUSINESS, DEFAULT_CARD),
    Account("lyon-soie", "33"),
    Account("milano-moda", "393", DEFAULT_CARD, _BUSINESS),
    Account("são-paulo-sabores", "55", _WHOLESALE),
    Account("singapore-shipping", "65", _WHOLESALE),
    Account("dublin-data", "353", _BUSINESS),
    Account("🍕-pronto", "39"),
    Account("antwerp-diamonds", "32", DEFAULT_CARD),
    Account("budapest-bad", "36", _BUSINESS),
    Account("toronto-timber", "1", _WHOLESALE),
    Account("wien-walzer", "43"),
    Account("copenhagen-cups", "45", _BUSINESS),
    Account("praha-pivo", "420"),
    Account("manila-messaging", "63", _WHOLESALE),
    Account("leeds-locksmiths", "447"),
    Account("köln-karneval", "49", DEFAULT_CARD, _BUSINESS),
    Account("porto-ports", "3519"),
    Account("zagreb-zeitung", "385", _BUSINESS),
)


def plans(now_micros: int) -> pl.DataFrame:
    """AccountPlan records: from before the first event, and the changes, each 12 days ago at half past nine (UTC)."""
    midnight = now_micros - now_micros % DAY_MICROS
    joined_at = midnight - 60 * DAY_MICROS
    changed_at = midnight - 12 * DAY_MICROS + timedelta(hours=9, minutes=30) // timedelta(microseconds=1)
    first = [(each.account_id, each.card, joined_at) for each in ACCOUNTS if each.card]
    later = [(each.account_id, each.later_card, changed_at) for each in ACCOUNTS if each.later_card]
    schema = {"account_id": pl.String, "rate_card_id": pl.String, "effective_from": pl.Int64}
    return pl.DataFrame([*first, *later], schema=schema, orient="row")
