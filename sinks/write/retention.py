"""How long ClickHouse keeps numbers called, users and reasons of movements.

The movements stay for ever: balances are their sums. It is a TTL of these columns, so ClickHouse itself takes them out when it
merges, and again after a rebuild.
"""

import re
from datetime import timedelta
from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.read.erased import PERSONAL
from sinks.write.tables import stored_in

_TTL: Final = "TTL toDateTime(occurred_at) + toIntervalSecond({seconds})"
_KEPT: Final = re.compile(re.escape(_TTL).replace(r"\{seconds\}", r"(\d+)"))
_MADE_BY: Final = (
    "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {table:String}"
)


def set_retention(client: Client, retention: timedelta | None) -> bool:
    """None: for ever. Gives whether something was changed; the rest is ClickHouse's own work, in the background.

    Raises clickhouse_connect's OperationalError where ClickHouse cannot be reached, DatabaseError where it refuses.
    """
    table = stored_in(client)
    [(made_by,)] = client.query(_MADE_BY, parameters={"table": table.split(" ")[0]}).result_rows
    found = [int(each) for each in _KEPT.findall(made_by)]
    wanted = [] if retention is None else [int(retention.total_seconds())] * len(PERSONAL)
    if found == wanted:
        return False
    ttl = "REMOVE TTL" if retention is None else f"Nullable(String) {_TTL.format(seconds=wanted[0])}"
    changes = ", ".join(f"MODIFY COLUMN {name} {ttl}" for name in PERSONAL)
    # Whoever waited for all months to be rewritten would wait for hours.
    client.command(f"ALTER TABLE {table} {changes}", settings={"mutations_sync": 0})
    return True
