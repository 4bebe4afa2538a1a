"""The commands `spending` and `balance`: where an account's credit went, and what is left."""

import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from credit_movements.commands.output import Account, AsJson, DataDir, console, wide_console
from credit_movements.terminal.texts import cell
from kafka_io.errors import UserError

if TYPE_CHECKING:
    from exporter.spending.question import BadQuestionError

_TIME = "a date, or a time as 2026-01-31T12:00Z"
TimeZone = Annotated[str, typer.Option(help="IANA name; days and hours are its own.")]


class BadOptionError(UserError):
    """An option that cannot be meant: one line."""


def balance(
    account: Account,
    at: Annotated[
        str | None, typer.Option(help=f"Only what happened before: {_TIME}.  [default: all]", show_default=False)
    ] = None,
    time_zone: TimeZone = "UTC",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show an account's balance, as ClickHouse has it now."""
    from rich.table import Table

    from credit_movements import clickhouse
    from credit_movements.settings import load_settings
    from exporter.spending.balance import balance_answer, plain
    from exporter.spending.question import BadQuestionError, balance_instant
    from sinks.read.balance import read_balance

    try:
        at_micros = balance_instant({"time_zone": time_zone} | ({} if at is None else {"at": at}))
    except BadQuestionError as wrong:
        raise _of_option(wrong) from None
    with closing(clickhouse.checked_client(load_settings(data_dir))) as client:
        if as_json:
            _print_json(balance_answer(client, account, at_micros))
            return
        found = read_balance(client, account, at_micros)
    if not found:
        before = "" if at is None else f" before {at}"
        console().print(f"Account {account!r} has no movements{before}.", markup=False)
        return
    table = Table("Currency", "Balance", "Movements", "Newest movement (UTC)")
    for each in found:
        table.add_row(cell(each.currency), plain(each.amount), str(each.movements), f"{each.as_of:%Y-%m-%d %H:%M:%S}")
    console().print(table)


def spending(
    account: Account,
    from_: Annotated[
        str | None, typer.Option("--from", help=f"From: {_TIME}.  [default: 30 days ago]", show_default=False)
    ] = None,
    to: Annotated[str | None, typer.Option(help=f"Before: {_TIME}.  [default: now]", show_default=False)] = None,
    by: Annotated[
        str, typer.Option(help="day, hour, description, user, destination or card; or two, joined by a comma.")
    ] = "day",
    time_zone: TimeZone = "UTC",
    currency: Annotated[
        str | None, typer.Option(help="Needed where the account has several.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show where an account's credit went: the sums of its movements, by day or otherwise."""
    from rich.table import Table

    from credit_movements import clickhouse
    from credit_movements.clock import now_micros
    from credit_movements.settings import load_settings
    from exporter.spending.answer import spending_answer
    from exporter.spending.question import BadQuestionError, spending_question
    from sinks.read.balance import read_balance

    options = {"from": from_, "to": to, "by": by, "time_zone": time_zone, "currency": currency}
    given = {name: text for name, text in options.items() if text is not None}
    try:
        question = spending_question(account, given, now_micros())
        with closing(clickhouse.checked_client(load_settings(data_dir))) as client:
            answer = spending_answer(client, question)
            others = [] if currency is None or answer["rows"] else read_balance(client, account)
    except BadQuestionError as wrong:
        raise _of_option(wrong) from None
    if as_json:
        _print_json(answer)
        return
    if not answer["rows"]:
        console().print(_none_found(answer, [each.currency for each in others]), markup=False)
        return
    table = Table(*(each.capitalize() for each in question.by), title=cell(f"{answer['currency']}, {time_zone}"))
    for name in ("Movements", "Charges", "Top-ups", "Adjustments", "Net"):
        table.add_column(name, justify="right")
    for row in answer["rows"]:
        keys = row["key"] if len(question.by) > 1 else [row["key"]]
        amounts = (row[name] for name in ("charges", "top_ups", "adjustments", "net"))
        table.add_row(*(cell("(none)" if key is None else key) for key in keys), f"{row['movements']:,}", *amounts)
    wide_console().print(table)


def _none_found(answer: dict[str, Any], currencies: list[str]) -> str:
    """`currencies`: those of all movements of the account, where one was asked for."""
    of = f" in {answer['currency']}" if currencies else ""
    known = f" It has some in {', '.join(currencies)}." if currencies and answer["currency"] not in currencies else ""
    return f"Account {answer['account_id']!r} has no movements{of} from {answer['from']} to {answer['to']}.{known}"


def _of_option(wrong: "BadQuestionError") -> BadOptionError:
    return BadOptionError(f"--{wrong.name.replace('_', '-')}: {wrong}")


def _print_json(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
