"""The manifest beside a file: what the file holds and adds up to, as JSON that people and programs read. Pure.

Money is a plain decimal as text, a time is ISO 8601 in UTC. The manifest does not say who made the file, or when, so that every
attempt writes the same bytes. `manifest_sha256` is over all the rest (see `sealed`): it shows a mistake or damage, not a
forgery. `credit-movements verify` holds a file against its manifest.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from exporter.file.formats.files import FileForm
from exporter.file.shown import Shown
from exporter.file.totals import Totals
from exporter.request.file_options import Format
from exporter.request.requests import ExportRequest
from exporter.storage.objects import StoredFile
from exporter.storage.records import AcceptedRequest
from sinks.read.totals import CardTotal, SliceTotals

SUFFIX: Final = ".manifest.json"
# 1 told adjustments among the top-ups. 3 tells what a file other than the default one is.
_VERSION: Final = 2
_VERSION_OF_OTHER_FILES: Final = 3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def manifest_name(file_name: str) -> str:
    """The name of a file's manifest. A .csv.gz and a .csv of the same days have different ones."""
    return file_name.removesuffix(".csv") + SUFFIX


def manifest_bytes(
    accepted: AcceptedRequest,
    form: FileForm,
    log_end_offset: int,
    file: StoredFile,
    shown: Shown,
    slice_totals: SliceTotals,
) -> bytes:
    """The manifest of `file`. `shown` has the sums of its rows, `slice_totals` those of ClickHouse."""
    request, complete_until = accepted.request, accepted.data_complete_until_micros
    period, options, totals = form.period, form.options.csv, shown.totals
    more = _of_other_files(form, request, shown)
    is_text = form.options.format in (Format.CSV, Format.FOCUS)
    manifest = {
        "manifest_version": _VERSION_OF_OTHER_FILES if more else _VERSION,
        "export_id": request.request_id,
        "account_id": request.account_id,
        "file_name": form.name,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "csv_encoding": ("utf-8-sig" if options.has_byte_order_mark else "utf-8") if is_text else None,
        "csv_separator": options.separator if is_text else None,
        "decimal_mark": options.decimal_mark if is_text else None,
        "compression": "gzip" if options.is_gzip else None,
        "period_from": _time(period.from_micros),
        "period_to": _time(period.to_micros),
        "time_zone": period.time_zone,
        "data_complete_until": None if complete_until is None else _time(complete_until),
        "row_count": totals.row_count,
        "opening_balance": _money(slice_totals.opening_nanos),
        "charges": _money(totals.charges_nanos),
        "top_ups": _money(totals.top_ups_nanos),
        "adjustments": _money(totals.adjustments_nanos),
        "closing_balance": _money(slice_totals.opening_nanos + shown.read.nanos),
        "by_description": _by_description(totals),
        "rate_cards": _rate_cards(slice_totals.by_card if form.options.shows_all else totals.by_card),
        # The name is the contract's.
        "ledger_position": {
            "log_id": accepted.movements_log_id,
            "partition": request.position.partition,
            "end_offset": log_end_offset,
        },
        **more,
    }
    return sealed(manifest)


def _of_other_files(form: FileForm, request: ExportRequest, shown: Shown) -> dict[str, Any]:
    """What tells such a file from the default one; nothing for the default one, whose manifest stays what it was."""
    asked = request.file
    other = (asked.columns, asked.descriptions, asked.format, request.period_from_micros, request.period_to_micros)
    if all(each is None for each in other):
        return {}
    return {
        "format": form.options.format.value,
        "columns": "detailed" if form.options.is_detailed else None,
        "descriptions": list(form.options.descriptions) or None,
        "period_is_chosen": request.period_from_micros is not None,
        # Of the period, and not in the file: the balances count them.
        "left_out": {
            "row_count": shown.read.row_count - shown.totals.row_count,
            "credit_movement": _money(shown.read.nanos - shown.totals.nanos),
        },
    }


def _by_description(totals: Totals) -> list[dict[str, Any]]:
    return [
        {
            "description": description,
            "unit": unit,
            "row_count": total.row_count,
            "units_charged": total.units_charged,
            "credit_movement": _money(total.nanos),
        }
        for (description, unit), total in sorted(totals.by_kind.items())
    ]


def _rate_cards(cards: list[CardTotal]) -> list[dict[str, Any]]:
    return [
        {
            "rate_card_id": card.rate_card_id,
            "currency": card.currency,
            "row_count": card.row_count,
            "credit_movement": _money(card.nanos),
        }
        for card in cards
    ]


def sealed(manifest: dict[str, Any]) -> bytes:
    """The manifest's text, with the SHA-256 of its other fields as JSON: keys sorted, no spaces, UTF-8."""
    bare = json.dumps(manifest, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    seal = hashlib.sha256(bare.encode()).hexdigest()
    return (json.dumps({**manifest, "manifest_sha256": seal}, ensure_ascii=False, indent=2) + "\n").encode()


def _money(nanos: int) -> str:
    whole, fraction = divmod(abs(nanos), 10**9)
    sign = "-" if nanos < 0 else ""
    return f"{sign}{whole}.{fraction:09}".rstrip("0").rstrip(".")


def _time(micros: int) -> str:
    return (_EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
