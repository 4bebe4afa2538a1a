"""How long ClickHouse keeps numbers called, users and reasons of movements, and sums by user.

The movements stay for ever: balances are their sums. It is a TTL of these columns, and of the rows of sums by user, so
ClickHouse itself takes them out when it merges, and again after a rebuild.
"""

import re
from datetime import timedelta
from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.read.erased import PERSONAL
from sinks.read.summed.grains import BY_KEY, USER
from sinks.write.tables import TABLE, stored_in

_TTL: Final = "TTL toDateTime(occurred_at) + toIntervalSecond({seconds})"
_SUMS_TTL: Final = f"TTL toDateTime(since) + toIntervalSecond({{seconds}}) WHERE kind = '{USER}'"
_MADE_BY: Final = (
    "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {table:String}"
)


def set_retention(client: Client, retention: timedelta | None) -> bool:
    """None: for ever. Gives whether something was changed; the rest is ClickHouse's own work, in the background.

    Raises clickhouse_connect's OperationalError where ClickHouse cannot be reached, DatabaseError where it refuses.
    """
    wanted = None if retention is None else int(retention.total_seconds())
    of_columns = "REMOVE TTL" if wanted is None else f"Nullable(String) {_TTL.format(seconds=wanted)}"
    columns = ", ".join(f"MODIFY COLUMN {name} {of_columns}" for name in PERSONAL)
    of_sums = "REMOVE TTL" if wanted is None else f"MODIFY {_SUMS_TTL.format(seconds=wanted)}"
    changed = _changed(client, TABLE, _TTL, [] if wanted is None else [wanted] * len(PERSONAL), columns)
    return _changed(client, BY_KEY, _SUMS_TTL, [] if wanted is None else [wanted], of_sums) or changed


def _changed(client: Client, table: str, ttl: str, wanted: list[int], changes: str) -> bool:
    stored = stored_in(client, table)
    [(made_by,)] = client.query(_MADE_BY, parameters={"table": stored.split(" ")[0]}).result_rows
    kept = re.escape(ttl).replace(r"\{seconds\}", r"(\d+)")
    if [int(each) for each in re.findall(kept, made_by)] == wanted:
        return False
    # Whoever waited for all months to be rewritten would wait for hours.
    client.command(f"ALTER TABLE {stored} {changes}", settings={"mutations_sync": 0})
    return True
