"""Takes an account's numbers, users and reasons out of ClickHouse, and keeps them out. No amount, time or id changes.

1. Note the account. From now on every sink leaves them out. It asks for the list before each insert and after
   it, and inserts again what it had not known: so an insert that is under way needs no waiting for.
2. Rewrite the rows that are there, and delete their sums by user.
"""

from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.read.consistency import WHOLE_ANSWER
from sinks.read.erased import PERSONAL
from sinks.write.insert import INSERT_SETTINGS
from sinks.write.sums.store import delete_users
from sinks.write.tables import UNTIL_DONE, stored_in

_OF_ACCOUNT: Final = (
    f"account_id = {{account_id:String}} AND ({' OR '.join(f'isNotNull({name})' for name in PERSONAL)})"
)
_REWRITE: Final = f"ALTER TABLE %s UPDATE {', '.join(f'{name} = NULL' for name in PERSONAL)} WHERE {_OF_ACCOUNT}"
_LEFT: Final = f"SELECT count() FROM credit_movements WHERE {_OF_ACCOUNT}"


def erase_account(client: Client, account_id: str) -> int:
    """Erase, and wait until it is done on all servers. Gives the number of rows that were rewritten, repeated ones too.

    Raises clickhouse_connect's OperationalError where ClickHouse cannot be reached, DatabaseError where it refuses.
    """
    client.insert("erased_accounts", [[account_id]], column_names=["account_id"], settings=INSERT_SETTINGS)
    rows = int(client.query(_LEFT, parameters={"account_id": account_id}, settings=WHOLE_ANSWER).result_rows[0][0])
    if rows:
        rewrite = _REWRITE % stored_in(client)
        client.command(rewrite, parameters={"account_id": account_id}, settings=UNTIL_DONE)
    delete_users(client, [account_id])
    return rows
