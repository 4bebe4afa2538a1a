"""The commands `setup`, `rebuild` and `erase`: topics, subjects, tables, what users may do, and the rows of ClickHouse."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from credit_movements.commands.output import USAGE_ERROR, Account, DataDir, console, errors, fail


def setup(
    cluster: Annotated[
        str | None,
        typer.Option(help="Make ClickHouse's tables on all servers of this cluster: replicated, sharded by account."),
    ] = None,
    clickhouse_users: Annotated[
        bool,
        typer.Option("--clickhouse-users", help="Print the statements that make ClickHouse's three users, and end."),
    ] = False,
    acls: Annotated[
        bool, typer.Option("--acls", help="Only give each Kafka user its permissions; needs an admin of Kafka.")
    ] = False,
    list_acls: Annotated[
        bool, typer.Option("--list-acls", help="Only print these permissions, as lines of kafka-acls.sh.")
    ] = False,
    principal: Annotated[
        list[str] | None,
        typer.Option(help="With these: USER=NAME where a user has another name in Kafka; may be repeated."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make the topics, subjects and tables that are missing. Safe to repeat."""
    if acls or list_acls:
        _permissions(acls, principal or [], data_dir)
        return
    if principal:
        fail("--principal goes with --acls or --list-acls", USAGE_ERROR)
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


def _permissions(grants: bool, named: Sequence[str], data_dir: DataDir) -> None:
    from credit_movements.settings import load_settings
    from credit_movements.setup.acls import as_commands, permissions, principals
    from credit_movements.setup.granting import grant
    from kafka_io.prefix import Names

    try:
        principal_of = principals(named)
    except ValueError as wrong:
        fail(f"--principal: {wrong}", USAGE_ERROR)
    settings = load_settings(data_dir)
    names = Names(settings.kafka_prefix)
    wanted = permissions(names.real)
    if not grants:
        lines = as_commands(wanted, principal_of, settings.kafka_bootstrap_servers or "localhost:9092")
        print(*lines, sep=os.linesep)
        return
    granted = grant(settings, wanted, principal_of, names.prefix)
    for line in granted.besides:
        errors().print(f"besides, and not needed: {line}", markup=False)
    console().print(
        f"{len(wanted)} permissions of {len(principal_of)} Kafka users are there, {granted.new} of them new.",
        highlight=False,
    )


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

    client = clickhouse.checked_client(load_settings(data_dir), clickhouse.REWRITE_SECONDS)
    rows = erase_account(client, account)
    client.close()
    console().print(
        f"Account {account!r}: {rows} rows had a number or a user and have none now, nor will later ones."
        " Kafka and files keep theirs.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
