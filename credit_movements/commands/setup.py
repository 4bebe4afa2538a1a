"""The commands `setup`, `rebuild` and `erase`: topics, subjects and tables, and the rows of ClickHouse."""

import sys
from typing import Annotated

import typer

from credit_movements.commands.output import Account, DataDir, console, errors


def setup(
    cluster: Annotated[
        str | None,
        typer.Option(help="Make ClickHouse's tables on all servers of this cluster: replicated, sharded by account."),
    ] = None,
    clickhouse_users: Annotated[
        bool,
        typer.Option("--clickhouse-users", help="Print the statements that make ClickHouse's three users, and end."),
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Make the topics, subjects and tables that are missing. Safe to repeat."""
    from credit_movements.settings import load_settings

    if clickhouse_users:
        from credit_movements.clickhouse import database_name
        from credit_movements.setup.clickhouse_users import users_sql

        sys.stdout.write(users_sql(database_name(load_settings(data_dir)), cluster))
        return
    from credit_movements.setup.provision import set_up

    changes = set_up(load_settings(data_dir), cluster)
    for line in changes.changed:
        console().print(line, markup=False, highlight=False, soft_wrap=True)
    for line in changes.left:
        errors().print(line, markup=False)
    but = ", but for what is named above" if changes.left else ""
    console().print(f"Topics, subjects and tables are as the contract wants them{but}.")


def rebuild(
    empty: Annotated[
        bool, typer.Option("--empty", help="Delete all rows first. Needed after rows came that the log does not have.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Make ClickHouse anew from the log: the sinks read it again from its beginning. Stop all sinks and exporters first."""
    from credit_movements.settings import load_settings
    from credit_movements.setup.rebuild import rebuild as set_back

    partitions = set_back(load_settings(data_dir), empty)
    emptied = "ClickHouse is empty, and the" if empty else "The"
    console().print(
        f"{emptied} sinks begin at the beginning of the log in all {partitions} partitions. Start them now, and the exporters:"
        " exports wait until the rows are there.",
        soft_wrap=True,
    )


def erase(account: Account, data_dir: DataDir = None) -> None:
    """Erase the numbers called and the users of an account from ClickHouse, for ever. Amounts, times and ids stay."""
    from credit_movements import clickhouse
    from credit_movements.settings import load_settings
    from sinks.write.erase import erase_account

    client = clickhouse.checked_client(load_settings(data_dir))
    rows = erase_account(client, account)
    client.close()
    console().print(
        f"Account {account!r}: {rows} rows had a number or a user and have none now, nor will later ones."
        " Kafka and files keep theirs.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
