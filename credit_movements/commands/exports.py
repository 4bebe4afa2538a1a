"""The commands of one export: `request-export` and `delete-export`."""

from typing import Annotated

import typer

from credit_movements.commands.output import INTERRUPTED, Account, DataDir, console, fail, wide_console
from kafka_io.errors import UserError


class NoSuchExportError(UserError):
    """There is nothing to delete."""


def request_export(
    account: Account,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome, with its progress, and show it.")] = False,
    time_zone: Annotated[str | None, typer.Option(help="IANA name, for the period and the printed times.")] = None,
    requested_by: Annotated[str | None, typer.Option(help="Id of the user who asks.")] = None,
    csv_encoding: Annotated[
        str | None, typer.Option(help="utf-8, or utf-8-sig: with a byte-order mark.  [default: utf-8]")
    ] = None,
    csv_separator: Annotated[
        str | None, typer.Option(help="A comma, or ; with decimal commas, for European Excel.  [default: ,]")
    ] = None,
    compression: Annotated[str | None, typer.Option(help="gzip, for a .csv.gz.")] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="csv, xlsx, parquet, or focus: FinOps FOCUS, as a CSV.  [default: csv]"),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="detailed, for eleven more: user, numbers, balance and others.")
    ] = None,
    period_from: Annotated[
        str | None, typer.Option(help="Where the period begins: a day of the time zone, or a time. At most 13 months.")
    ] = None,
    period_to: Annotated[str | None, typer.Option(help="Where it ends, exclusive.  [default: now]")] = None,
    descriptions: Annotated[str | None, typer.Option(help="Only these, as call,sms,refund.  [default: all]")] = None,
    wait_seconds: Annotated[
        float, typer.Option("--wait-seconds", "--timeout", help="How long to wait.", min=0)
    ] = 900.0,
    data_dir: DataDir = None,
) -> None:
    """Ask for an export of an account's movements, as the dashboard does."""
    from credit_movements.clock import now_micros
    from credit_movements.exports.asked import check_asked
    from credit_movements.exports.period import micros_of_option
    from credit_movements.exports.progress import export_progress, show_outcome
    from credit_movements.exports.request import request, request_and_wait
    from credit_movements.settings import load_settings

    settings = load_settings(data_dir)
    options: dict[str, str | int | None] = {
        "csv_encoding": csv_encoding,
        "csv_separator": csv_separator,
        "compression": compression,
        "columns": columns,
        "period_from": micros_of_option("--period-from", period_from, time_zone),
        "period_to": micros_of_option("--period-to", period_to, time_zone),
        "descriptions": None if descriptions is None else ",".join(map(str.strip, descriptions.split(","))),
        "format": format_,
    }
    check_asked(options, time_zone, now_micros())
    if not wait:
        record = request(settings, account, time_zone, requested_by, **options)
        console().print(
            f"Export {record['request_id']} requested. With --wait, this command shows the link, or why there is none.",
            soft_wrap=True,
        )
        return
    try:
        with export_progress(settings, account, console()) as progress:
            outcome = request_and_wait(
                settings, account, time_zone, requested_by, wait_seconds, progress.wait, **options
            )
    except KeyboardInterrupt:
        fail("no longer waiting; the export, once requested, goes on and ends with a notification.", INTERRUPTED)
    ended = outcome.notification
    if outcome.is_of_earlier:
        console().print("This is the export that was already being processed: a repeat makes no second one.")
    if ended["status"] != "completed":
        fail(f"The export failed ({ended['error_code']}): {ended['error_message']}")
    show_outcome(ended, console())
    if not outcome.is_as_asked:
        fail("This file was asked for with other options than yours, and yours was not made: ask again now.")
    if descriptions is not None and not ended["row_count"] and not outcome.is_of_earlier:
        console().print(
            f"No movement of the period is of {descriptions}. A description is a usage type, top-up, refund, chargeback or"
            " correction, as in the file: `spending --by description` lists them.",
            soft_wrap=True,
            markup=False,
        )


def delete_export(
    account: Annotated[str, typer.Argument(help="The account.")],
    export_id: Annotated[str, typer.Argument(help="The export's id, as its notification tells it.")],
    data_dir: DataDir = None,
) -> None:
    """Delete the files of a finished export before their time: its links are dead from now on, and stay so."""
    from credit_movements.exports.storage import export_storage, storage_url
    from credit_movements.settings import load_settings
    from exporter.storage.records import ExportRecords

    settings = load_settings(data_dir)
    # It deletes, and makes nothing.
    if not ExportRecords(export_storage(settings, makes_folder=False)).delete_files(account, export_id):
        raise NoSuchExportError(
            f"account {account!r} has no finished export {export_id!r} in {storage_url(settings)}"
            " (CREDIT_EXPORT_STORAGE_URL)"
        )
    wide_console().print(f"export {export_id} of account {account!r} is deleted", markup=False, soft_wrap=True)
