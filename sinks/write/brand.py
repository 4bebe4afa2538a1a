"""Whose the tables are: the prefix of the Kafka topics that they are filled from, in the comment of the table of movements.

Two brands that share a database by mistake would add up each other's accounts. `setup` writes the mark, and all who open the
database compare it. A comment needs no grant, no table and no migration; tables without a mark belong to whoever comes.
"""

import re
from typing import Final

from clickhouse_connect.driver.client import Client

from kafka_io.errors import UserError
from sinks.write.tables import TABLE, UNTIL_DONE, stored_in

# A prefix has letters, digits, dots, underscores and hyphens.
_MARK: Final = re.compile(r"CREDIT_KAFKA_PREFIX=\[([\w.-]*)\]", re.ASCII)
_ABOUT: Final = (
    "Credit movements, a projection of the Kafka topic {prefix}credit-movements, CREDIT_KAFKA_PREFIX=[{prefix}]."
    " Count with FINAL, or read credit_movements_once"
)
# In a cluster the table that holds the rows: the one over all shards keeps no change of its comment.
_COMMENT: Final = f"""
SELECT comment FROM system.tables WHERE database = {{database:String}} AND name IN ('{TABLE}', '{TABLE}_local')
ORDER BY length(name) DESC LIMIT 1
"""


class OtherBrandError(UserError):
    """The database is another brand's. The message says whose, and what to do."""


def check_brand(client: Client, database: str, prefix: str) -> bool:
    """Whether the tables are marked as this prefix's; False also where there are none.

    Raises OtherBrandError, clickhouse_connect's OperationalError and DatabaseError.
    """
    found = client.query(_COMMENT, parameters={"database": database}).result_rows
    mark = _MARK.search(found[0][0]) if found else None
    if mark is None:
        return False
    if mark[1] != prefix:
        raise OtherBrandError(
            f"CREDIT_CLICKHOUSE_DSN: the database {database} is filled from the Kafka topics with the prefix {mark[1]!r}, and"
            f" CREDIT_KAFKA_PREFIX is {prefix!r}: set the right one of the two; each brand has a database of its own"
        )
    return True


def mark_brand(client: Client, prefix: str) -> None:
    """Mark the tables of the client's database. Raises as `check_brand` does."""
    comment = _ABOUT.format(prefix=prefix)
    client.command(f"ALTER TABLE {stored_in(client)} MODIFY COMMENT '{comment}'", settings=UNTIL_DONE)
