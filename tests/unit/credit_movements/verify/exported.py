"""A file and its manifest as the exporter writes them, of movements made for a test."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from exporter.file.formats.files import FileForm
from exporter.file.manifest import manifest_bytes, manifest_name
from exporter.file.shown import Shown
from exporter.file.totals import Totals
from exporter.request.csv_options import CsvOptions
from exporter.request.file_options import AskedFile, FileOptions
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.request.window import Period, export_period
from exporter.storage.objects import StoredFile
from exporter.storage.records import AcceptedRequest
from sinks.read.totals import CardTotal, SliceTotals

HEADER = b"Date & Time,Interaction ID,Description,Units,Units charged,Value per unit,Credit movement\r\n"
PLAIN = CsvOptions()
COLUMNS = {
    "occurred_at_micros": pl.Int64,
    "interaction_id": pl.String,
    "description": pl.String,
    "unit": pl.String,
    "units_charged": pl.Int64,
    "price_nanos": pl.Int64,
    "price_units": pl.Int64,
    "credit_movement_nanos": pl.Int64,
}
DETAILS = {
    "movement_text": pl.String,
    "quantity": pl.Int64,
    "currency_text": pl.String,
    "user_id": pl.String,
    "direction_text": pl.String,
    "from_number": pl.String,
    "campaign_text": pl.String,
    "destination": pl.String,
    "destination_name_text": pl.String,
    "rate_card_id": pl.String,
    "destination_prefix": pl.String,
    "rate_effective_from_micros": pl.Int64,
}
REQUESTED_AT = (datetime(2026, 11, 3, 12, 30, 1, 5, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
    microseconds=1
)


def period_of(zone: str = "Europe/Berlin") -> Period:
    period = export_period(REQUESTED_AT, zone)
    assert isinstance(period, Period)
    return period


def usage(at_micros: int, units: int = 2, value_nanos: int = 15_000_000, **fields: Any) -> dict[str, Any]:
    return {
        "occurred_at_micros": at_micros,
        "interaction_id": "call-1",
        "description": "call",
        "unit": "minutes",
        "units_charged": units,
        "price_nanos": value_nanos,
        "price_units": 1,
        "credit_movement_nanos": -units * value_nanos,
    } | fields


def top_up(at_micros: int, nanos: int = 50_000_000_000, **fields: Any) -> dict[str, Any]:
    made = usage(at_micros, 0, 0, interaction_id="PAY-1", description="top-up", unit="")
    return made | {"credit_movement_nanos": nanos} | fields


def adjustment(at_micros: int, kind: str, nanos: int, **fields: Any) -> dict[str, Any]:
    return top_up(at_micros, nanos, interaction_id="ticket-1", description=kind) | fields


def month(zone: str = "Europe/Berlin") -> list[dict[str, Any]]:
    """Some movements over a period, the last of them in the hour that comes twice in Berlin."""
    begin = period_of(zone).from_micros
    twice = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()) * 1_000_000
    return [
        top_up(begin),
        usage(begin + 999_999),
        usage(begin + 3_600_000_000, 61, 126_083, interaction_id="=cmd|' /C calc'!A0", unit="seconds"),
        usage(begin + 7_200_000_000, description="sms", unit="fragments", interaction_id='a "b", c;d\r\ne\nü猫😀'),
        usage(twice, description="=bad"),
        usage(twice + 3_600_000_000),
        adjustment(twice + 3_700_000_000, "refund", 30_000_000),
        adjustment(twice + 3_800_000_000, "chargeback", -20_000_000_000),
        usage(REQUESTED_AT - 1),
    ]


def written(
    folder: Path,
    blocks: list[pl.DataFrame],
    options: CsvOptions = PLAIN,
    zone: str = "Europe/Berlin",
    opening_nanos: int = 7_500_000_000,
    asked: AskedFile | None = None,
    **period: int,
) -> Path:
    """The path of the file; its manifest lies beside it. `asked`: of another form. `period`: its own, as a request has it."""
    file_options = FileOptions(options) if asked is None else asked.options()
    assert isinstance(file_options, FileOptions)
    position = RequestPosition("log", 3, 9)
    request = ExportRequest(
        "id-1", "acme", REQUESTED_AT, zone, None, position, REQUESTED_AT // 1000, asked or AskedFile(), **period
    )
    assert isinstance(request.period, Period)
    form = FileForm(file_options, request.period, "acme", "Example Telecom")
    whole, shown = Totals(), Shown(file_options, opening_nanos)
    digest, size_bytes = hashlib.sha256(), 0
    path = folder / form.name
    with path.open("wb") as file:
        for chunk in form.packed(form.chunks(shown.blocks(blocks))):
            digest.update(chunk)
            size_bytes += file.write(chunk)
    for block in blocks:
        whole.add(block)
    manifest = manifest_bytes(
        AcceptedRequest(request, request.period, "log-1", 77),
        form,
        77,
        StoredFile(size_bytes, digest.hexdigest()),
        shown,
        SliceTotals(opening_nanos, [CardTotal("default", "EUR", whole.row_count, whole.nanos)]),
    )
    (folder / manifest_name(path.name)).write_bytes(manifest)
    return path


def detailed(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows with all that a detailed file or FOCUS shows of them."""
    return pl.DataFrame([_details(row, number) | row for number, row in enumerate(rows)], schema=COLUMNS | DETAILS)


def _details(row: dict[str, Any], number: int) -> dict[str, Any]:
    is_usage = row["unit"] != ""
    of_usage = {
        "quantity": row["units_charged"] * (60 if row["unit"] == "minutes" else 1),
        "user_id": "u-17",
        "direction_text": "outbound",
        "from_number": "+4930123456",
        "campaign_text": "spring",
        "destination": "+4915112345678",
        "destination_name_text": "Germany mobile",
        "destination_prefix": "4915",
        "rate_effective_from_micros": 1_767_225_600_000_000,
    }
    return {
        "movement_text": f"3f0c9a52-7d1e-4b8a-9c55-{number:012}",
        "currency_text": "EUR",
        "rate_card_id": "default",
        "quantity": 0,
    } | (of_usage if is_usage else {})


def of_rows(folder: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    return written(folder, [pl.DataFrame(rows, schema=COLUMNS)], **options)
