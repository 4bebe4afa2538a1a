"""The command `setup`: topics, subjects and tables; or what Kafka's users may do."""

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from credit_movements.commands.output import USAGE_ERROR, DataDir, console, errors, fail


def setup(
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
    from credit_movements.setup.provision import set_up

    changes = set_up(load_settings(data_dir))
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

    try:
        principal_of = principals(named)
    except ValueError as wrong:
        fail(f"--principal: {wrong}", USAGE_ERROR)
    settings = load_settings(data_dir)
    wanted = permissions()
    if not grants:
        lines = as_commands(wanted, principal_of, settings.kafka_bootstrap_servers or "localhost:9092")
        print(*lines, sep=os.linesep)
        return
    granted = grant(settings, wanted, principal_of)
    for line in granted.besides:
        errors().print(f"besides, and not needed: {line}", markup=False)
    console().print(
        f"{len(wanted)} permissions of {len(principal_of)} Kafka users are there, {granted.new} of them new.",
        highlight=False,
    )
