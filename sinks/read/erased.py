"""Accounts whose personal data was erased: of their movements ClickHouse has no number called and no user."""

from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.read.consistency import WHOLE_ANSWER

# What of a movement is about a person and not about money.
PERSONAL: Final = ("user_id", "destination")
_ERASED: Final = "SELECT DISTINCT account_id FROM erased_accounts"


def erased_accounts(client: Client) -> list[str]:
    """Raises clickhouse_connect's OperationalError where ClickHouse cannot be reached, DatabaseError where it refuses."""
    return [row[0] for row in client.query(_ERASED, settings=WHOLE_ANSWER).result_rows]
