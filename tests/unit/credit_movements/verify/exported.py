"""A file and its manifest as the exporter writes them, of movements made for a test."""

import hashlib
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from exporter.file.csv_file import csv_chunks
from exporter.file.manifest import manifest_bytes, manifest_name
from exporter.file.packing import packed
from exporter.file.totals import Totals
from exporter.request.csv_options import CsvOptions
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.request.window import Period, export_period
from exporter.storage.objects import StoredFile
from exporter.storage.records import AcceptedRequest
from sinks.read.totals import CardTotal, SliceTotals

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
) -> Path:
    """The path of the file; its manifest lies beside it."""
    period, totals = period_of(zone), Totals()
    cards: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    digest, size_bytes = hashlib.sha256(), 0
    path = folder / options.file_name(period.file_name)
    with path.open("wb") as file:
        for chunk in packed(csv_chunks(blocks, period, options), options):
            digest.update(chunk)
            size_bytes += file.write(chunk)
    for block in blocks:
        totals.add(block)
    cards["default"] = [totals.row_count, totals.nanos]
    request = ExportRequest(
        "id-1", "acme", REQUESTED_AT, zone, None, RequestPosition("log", 3, 9), REQUESTED_AT // 1000
    )
    beside = SliceTotals(opening_nanos, [CardTotal(name, "EUR", *total) for name, total in cards.items()])
    manifest = manifest_bytes(
        AcceptedRequest(request, period, "log-1", 77),
        period,
        77,
        options,
        StoredFile(size_bytes, digest.hexdigest()),
        path.name,
        totals,
        beside,
    )
    (folder / manifest_name(path.name)).write_bytes(manifest)
    return path


def of_rows(folder: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    return written(folder, [pl.DataFrame(rows, schema=COLUMNS)], **options)
