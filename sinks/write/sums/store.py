"""Writes sums into ClickHouse, and how far they reach. All of it may be repeated: the same sums are the same rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import polars as pl
from clickhouse_connect.driver.client import Client

from sinks.read.erased import erased_accounts
from sinks.read.summed.grains import BY_KEY, BY_QUARTER, REACHED, USER
from sinks.read.summed.reach import Reach
from sinks.write.insert import INSERT_SETTINGS
from sinks.write.sums.of_movements import key_sums, quarter_sums
from sinks.write.tables import UNTIL_DONE, stored_in

_REACHED_COLUMNS: Final = ("log_id", "log_partition", "has_repeats", "block_offsets", "reached")
_DELETE_USERS: Final = f"""
ALTER TABLE {{table}} DELETE WHERE kind = '{USER}' AND account_id IN {{{{accounts:Array(String)}}}}
"""


def insert_sums(client: Client, movements: pl.DataFrame, log_id: str, without_users: Sequence[str]) -> None:
    """The sums of whole blocks. Raises clickhouse_connect's OperationalError and DatabaseError, after which it is unknown
    what is in: insert the same again."""
    client.insert_arrow(BY_QUARTER, quarter_sums(movements, log_id), settings=INSERT_SETTINGS)
    client.insert_arrow(BY_KEY, key_sums(movements, log_id, without_users), settings=INSERT_SETTINGS)


def insert_reach(client: Client, log_id: str, reached: Mapping[int, Reach]) -> None:
    """Say how far the sums of partitions reach, once they are in. Raises as `insert_sums`."""
    rows = [[log_id, number, False, each.block_offsets, each.reached] for number, each in reached.items()]
    client.insert(REACHED, rows, column_names=_REACHED_COLUMNS, settings=INSERT_SETTINGS)


def insert_repeats(client: Client, log_id: str, partition: int) -> None:
    """Say that the partition has movements twice: none of its sums counts from now on. Raises as `insert_sums`."""
    rows = [[log_id, partition, True, 0, 0]]
    client.insert(REACHED, rows, column_names=_REACHED_COLUMNS, settings=INSERT_SETTINGS)


@contextmanager
def users_left_out(client: Client) -> Iterator[list[str]]:
    """The accounts of which no sums by user may be written in this block. Of those that are erased meanwhile they are deleted
    after it: `erase` may have looked before they came. Raises as `insert_sums`."""
    erased = erased_accounts(client)
    yield erased
    if new := sorted(set(erased_accounts(client)) - set(erased)):
        delete_users(client, new)


def delete_users(client: Client, accounts: Sequence[str]) -> None:
    """Delete the sums by user of these accounts, and wait until it is done on all servers. Raises as `insert_sums`."""
    delete = _DELETE_USERS.format(table=stored_in(client, BY_KEY))
    client.command(delete, parameters={"accounts": list(accounts)}, settings=UNTIL_DONE)


def empty_sums(client: Client) -> None:
    """All sums go, on all servers. What they reach goes first, so that nobody takes sums that are gone for whole."""
    for table in (REACHED, BY_QUARTER, BY_KEY):
        client.command(f"TRUNCATE TABLE {stored_in(client, table)}", settings=UNTIL_DONE)
