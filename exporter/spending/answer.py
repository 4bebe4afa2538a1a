"""An account's spending for JSON: amounts are texts of plain decimals, times RFC 3339 in UTC."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from exporter.spending.balance import plain, rfc3339
from exporter.spending.question import BadQuestionError, SpendingQuestion
from sinks.read.spending import TooManyPeriodsError, spending

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AMOUNTS: Final = ("charges", "top_ups", "adjustments", "net")


def spending_answer(client: Client, question: SpendingQuestion) -> dict[str, Any]:
    """`account_id`, `currency` (null without movements), `from`, `to`, `time_zone`, `by`, and `rows`: `key` (null for movements
    that have none; a list where `by` names two), `movements`, `charges`, `top_ups`, `adjustments`, `net`.

    Raises BadQuestionError where the period has too many days or hours, or there are several currencies and none was named, and
    MovementsUnavailableError.
    """
    period = question.period
    first, last = (_EPOCH + timedelta(microseconds=each) for each in (period.from_micros, period.to_micros))
    try:
        found = spending(client, question.account_id, first, last, question.by, period.time_zone)
    except TooManyPeriodsError as error:
        raise BadQuestionError("from", f"is too early: {error}") from None
    currencies = sorted({str(row["currency"]) for row in found})
    if question.currency is None and len(currencies) > 1:
        raise BadQuestionError("currency", f"must be named: the account has movements in {', '.join(currencies)}")
    currency = question.currency or next(iter(currencies), None)
    return {
        "account_id": question.account_id,
        "currency": currency,
        "from": rfc3339(period.from_micros),
        "to": rfc3339(period.to_micros),
        "time_zone": period.time_zone,
        "by": ",".join(question.by),
        "rows": [_row(row) for row in found if row["currency"] == currency],
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    key = row["key"]
    amounts = {name: plain(row[name]) for name in _AMOUNTS}
    return {"key": key[0] if len(key) == 1 else list(key), "movements": row["movements"], **amounts}
