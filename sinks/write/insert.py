"""Inserts one block of movements into ClickHouse, and explains its refusals."""

from typing import Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from sinks.read.erased import erased_accounts
from sinks.write.columns import without_personal_data
from sinks.write.tables import TABLE

# With these the block is on disk before the answer comes, and goes in whole, however many months it spans. ClickHouse's
# deduplication tokens are not used: in trials they lost rows of correct retries, and identical rows count once by the table's
# key. Merging equal keys inside the block would cost a third of the insert, and FINAL does it anyway.
#
# The second half is for clusters and changes nothing on one server. What each does is in ClickHouse's documentation, Settings:
# - The table over all shards would answer when the rows are in a file of the one server that took them; with
#   distributed_foreground_insert it answers when each shard has them.
# - One replica's disk is not enough to commit an offset upon. A majority of the replicas has to have the block, one block after
#   the other, which is what `select_sequential_consistency` of the readers needs.
INSERT_SETTINGS: Final = {
    "async_insert": 0,
    "wait_end_of_query": 1,
    "max_partitions_per_insert_block": 0,
    "optimize_on_insert": 0,
    "distributed_foreground_insert": 1,
    "insert_quorum": "auto",
    "insert_quorum_parallel": 0,
}

# ClickHouse's names of refusals that last until a person acts. The rows wait, since they are not at fault.
_REMEDIES: Final = {
    "UNKNOWN_TABLE": "the table is not there: run `credit-movements setup`",
    "UNKNOWN_DATABASE": "the database is not there: run `credit-movements setup`",
    "AUTHENTICATION_FAILED": "user or password is wrong: set CREDIT_CLICKHOUSE_DSN",
    "ACCESS_DENIED": "the user lacks a permission: docs/production/clickhouse.md lists those of the sink",
    "NO_SUCH_COLUMN_IN_TABLE": "the table is older than this program: run `credit-movements setup`",
    "TYPE_MISMATCH": "the table is not the one that the migrations make",
    "CANNOT_CONVERT_TYPE": "the table is not the one that the migrations make",
    "ILLEGAL_COLUMN": "the table is not the one that the migrations make",
    "READONLY": "the user may not change settings: its profile must not have readonly=1",
    "NOT_ENOUGH_SPACE": "its disk is full",
    "TABLE_IS_READ_ONLY": "the table is read-only",
}
_LONGEST_TEXT: Final = 300


def insert_movements(client: Client, columns: pa.Table) -> None:
    """Insert all rows as one block, without the personal data of erased accounts. After any error it is unknown whether they
    are in: send the same rows again."""
    erased = erased_accounts(client)
    while True:
        client.insert_arrow(TABLE, without_personal_data(columns, erased), settings=INSERT_SETTINGS)
        before, erased = set(erased), erased_accounts(client)
        # An account erased meanwhile may have been rewritten before these rows came. Of equal rows the last one counts.
        if before.issuperset(erased):
            return


def is_clickhouse_outage(error: BaseException) -> bool:
    """Whether the server refused or could not be reached. All other errors of its driver are bugs of ours."""
    return type(error) in {DatabaseError, OperationalError}


def explain_refusal(error: BaseException) -> str:
    """One line with ClickHouse's error, and what to do where waiting does not help."""
    # For a failed connection the driver's text is the whole request; the error is in its cause.
    text = " ".join(str(getattr(error.__cause__, "reason", error.__cause__) or error).split())
    text = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"
    remedy = _REMEDIES.get(getattr(error, "name", None) or "")
    return f"this will not pass by itself, {remedy} ({text})" if remedy else text
