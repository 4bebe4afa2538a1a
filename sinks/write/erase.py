"""Takes the numbers and users of an account out of ClickHouse, and keeps them out. No amount, time or id changes.

1. Note the account. From now on every sink leaves its numbers and users out: it asks for the list before each insert.
2. Rewrite the rows that are there.
3. Count those that still have them: a sink that had asked before step 1 may have inserted since. Then 2 again.
"""

import time
from collections.abc import Callable
from typing import Final

from clickhouse_connect.driver.client import Client

from kafka_io.errors import UserError
from sinks.read.consistency import WHOLE_ANSWER
from sinks.write.insert import INSERT_SETTINGS
from sinks.write.tables import UNTIL_DONE, stored_in

_REWRITE: Final = """
ALTER TABLE {table} UPDATE user_id = NULL, destination = NULL
WHERE account_id = {{account_id:String}} AND (isNotNull(user_id) OR isNotNull(destination))
"""
_LEFT: Final = """
SELECT count() FROM credit_movements
WHERE account_id = {account_id:String} AND (isNotNull(user_id) OR isNotNull(destination))
"""
# Together longer than a sink takes from its question to the end of its insert, unless that was tried again.
_PASSES: Final = 3
_PAUSE_SECONDS: Final = 2.0


class NotErasedError(UserError):
    """Rows of the account came back while they were erased. The message says what to do."""


def erase_account(client: Client, account_id: str, sleep: Callable[[float], None] = time.sleep) -> int:
    """Erase, and wait until it is done on all servers. Gives the number of rows that were rewritten, repeated ones too.

    Raises NotErasedError, clickhouse_connect's OperationalError and DatabaseError.
    """
    client.insert("erased_accounts", [[account_id]], column_names=["account_id"], settings=INSERT_SETTINGS)
    rewritten = 0
    for number in range(_PASSES):
        if number:
            sleep(_PAUSE_SECONDS)
        left = _left(client, account_id)
        rewritten += left
        if left:
            _rewrite(client, account_id)
    if _left(client, account_id):
        raise NotErasedError(
            f"account {account_id!r} is noted as erased, but some of its rows still have numbers or users: a sink inserted them"
            " meanwhile. Run the command again"
        )
    return rewritten


def _left(client: Client, account_id: str) -> int:
    return int(client.query(_LEFT, parameters={"account_id": account_id}, settings=WHOLE_ANSWER).result_rows[0][0])


def _rewrite(client: Client, account_id: str) -> None:
    table = stored_in(client)
    client.command(_REWRITE.format(table=table), parameters={"account_id": account_id}, settings=UNTIL_DONE)
