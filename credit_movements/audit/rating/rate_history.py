"""The rates of the topic `rates`, and from when on raters knew the end of each."""

from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl
from confluent_kafka import Message

from schemas.codec import RecordCodec
from streams.pricing.rates import BadRateError, Rate

_MICROS_PER_MILLI = 1000
# A rater uses a rate 3 s after it was published, a transaction can take long, and clocks differ.
_GRACE = timedelta(minutes=2)

RATE_COLUMNS: dict[str, type[pl.DataType]] = {
    "rate_card_id": pl.String,
    "description": pl.String,
    "destination_prefix": pl.String,
    "rate_effective_from": pl.Int64,
    "rate_unit": pl.String,
    "rate_unit_size": pl.Int64,
    "rate_initial_increment": pl.Int64,
    "rate_increment": pl.Int64,
    "rate_price_nanos": pl.Int64,
    "rate_price_units": pl.Int64,
    "rate_currency": pl.String,
    "rate_destination_name": pl.String,
    "rate_effective_to": pl.Int64,
    "rate_ended_at": pl.Int64,
}
CARD_COLUMNS: dict[str, type[pl.DataType]] = {"rate_card_id": pl.String, "card_currency": pl.String}


@dataclass(frozen=True)
class _Published:
    """A rate. Movements made before `ended_at` (Kafka's time, microseconds) may not have known its end."""

    rate: Rate
    ended_at: int


class RateHistory:
    """The rates that raters may have used: the first price of a key, the first currency of a card, of all else the newest."""

    def __init__(self, codec: RecordCodec) -> None:
        self._codec = codec
        self._rates: dict[str, _Published] = {}
        self._currencies: dict[str, str] = {}
        self._tables: tuple[pl.DataFrame, pl.DataFrame] | None = None

    def take(self, messages: list[Message]) -> None:
        """Take in published rates, in their order. A bad rate changes nothing, as in the rater."""
        decoded = self._codec.decode([message.value() for message in messages])
        for record in decoded.rows.iter_rows(named=True):
            published_at = messages[record.pop("row")].timestamp()[1] * _MICROS_PER_MILLI
            try:
                self._put(Rate.checked(record), published_at)
            except BadRateError:
                continue
        self._tables = None

    def tables(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rates (RATE_COLUMNS) and the cards (CARD_COLUMNS). Columns are named as in a movement."""
        if self._tables is None:
            rates = [_row(each) for each in self._rates.values()]
            self._tables = (
                pl.DataFrame(rates, schema=RATE_COLUMNS, orient="row"),
                pl.DataFrame(list(self._currencies.items()), schema=CARD_COLUMNS, orient="row"),
            )
        return self._tables

    def _put(self, rate: Rate, published_at: int) -> None:
        if self._currencies.setdefault(rate.rate_card_id, rate.currency) != rate.currency:
            return
        before = self._rates.get(rate.key)
        ended_at = published_at + _GRACE // timedelta(microseconds=1)
        if before is None:
            self._rates[rate.key] = _Published(rate, ended_at)
        elif not before.rate.changes(rate) and before.rate.effective_to != rate.effective_to:
            self._rates[rate.key] = _Published(replace(before.rate, effective_to=rate.effective_to), ended_at)


def _row(published: _Published) -> tuple[str | int | None, ...]:
    rate = published.rate
    return (
        rate.rate_card_id,
        rate.usage_type,
        rate.destination_prefix,
        rate.effective_from,
        rate.unit,
        rate.unit_size,
        rate.initial_increment,
        rate.increment,
        rate.price_nanos,
        rate.price_units,
        rate.currency,
        rate.destination_name,
        rate.effective_to,
        published.ended_at,
    )
