"""Accounts whose personal data was erased: their movements in ClickHouse have no numbers, no user, no reason."""

from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.read.consistency import WHOLE_ANSWER

# What of a movement is about a person and not about money. A reason is free text, and may name somebody.
PERSONAL: Final = ("user_id", "destination", "reason", "from_number")
_ERASED: Final = "SELECT DISTINCT account_id FROM erased_accounts"


def erased_accounts(client: Client) -> list[str]:
    """Raises clickhouse_connect's OperationalError where ClickHouse cannot be reached, DatabaseError where it refuses."""
    return [row[0] for row in client.query(_ERASED, settings=WHOLE_ANSWER).result_rows]
