"""An account's balance: a projection of the ledger, exact to the last digit, now or at an instant."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.read.summed.grains import ACCOUNT
from sinks.read.summed.parts import SUM_SETTINGS, Wanted, keyed, rows
from sinks.read.summed.reach import summed

# The sums are 128 bits wide: those of 64 bits wrap without a word.
_BALANCES: Final = """
SELECT
    currency_text,
    sum(charged) + sum(topped_up) + sum(adjusted) AS amount,
    sum(counted) AS count_of_movements,
    max(newest) AS as_of
FROM ({rows})
GROUP BY currency_text
HAVING count_of_movements != 0
ORDER BY currency_text
"""
_GRAIN: Final = keyed(ACCOUNT)


@dataclass(frozen=True)
class Balance:
    """`amount` is in `currency`, with nine decimals; `as_of` is when the newest of the `movements` happened, UTC."""

    account_id: str
    currency: str
    amount: Decimal
    movements: int
    as_of: datetime


def read_balance(client: Client, account_id: str, at_micros: int | None = None) -> list[Balance]:
    """The account's balance in each currency of its movements: mostly one, none for an account without movements. Of the
    movements that happened before `at_micros` (microseconds since 1970, UTC); None: of all.

    Raises clickhouse_connect's OperationalError where ClickHouse cannot be reached, DatabaseError where it refuses.
    """
    asked = rows(_GRAIN, Wanted(account_id, to_micros=at_micros, summed=summed(client, account_id)))
    question = _BALANCES.format(rows=asked.question)
    found = client.query(question, parameters=asked.parameters, settings=SUM_SETTINGS, tz_mode="aware").result_rows
    return [Balance(account_id, currency, amount, int(count), as_of) for currency, amount, count, as_of in found]
