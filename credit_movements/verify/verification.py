"""A file held against its manifest. Needs no server and no settings, and flat memory whatever the file's size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from credit_movements.verify.amounts import text_of
from credit_movements.verify.details import COLUMNS as DETAILS
from credit_movements.verify.findings import Findings
from credit_movements.verify.focus import FocusCheck, check_header
from credit_movements.verify.manifest import Manifest, read_manifest
from credit_movements.verify.reading.csv_rows import Row, csv_rows
from credit_movements.verify.reading.parquet_rows import parquet_rows
from credit_movements.verify.reading.sheet_rows import sheet_rows
from credit_movements.verify.reading.source import Source
from credit_movements.verify.rows import COLUMNS, TOP_UP, RowCheck, Sums

_SUFFIX = ".manifest.json"
_NUMBERED: Final = {
    "Date & Time",
    "Units charged",
    "Value per unit",
    "Credit movement",
    "Duration (seconds)",
    "Balance after",
}
NUMBERS: Final = frozenset(at for at, name in enumerate([*COLUMNS, *DETAILS]) if name in _NUMBERED)


def manifest_beside(file: Path) -> Path:
    """Where a file's manifest is looked for: as the exporter names it, else with its suffix added to the file's whole name."""
    usual = file.with_name(file.name.removesuffix(".csv") + _SUFFIX)
    other = file.with_name(file.name + _SUFFIX)
    return usual if usual.exists() or not other.exists() else other


def verified(file: Path, manifest_file: Path | None) -> tuple[Manifest, Findings]:
    """The manifest, and where the file differs from it. Raises NoManifestError, and OSError for an unreadable file."""
    findings = Findings()
    # If the file itself is missing, say that, and not that its manifest is.
    file.open("rb").close()
    if manifest_file is None:
        manifest = read_manifest(manifest_beside(file), findings, "; name the manifest with --manifest")
    else:
        manifest = read_manifest(manifest_file, findings)
    source = Source(file, manifest.compression == "gzip", findings)
    if source.is_unpacked:
        findings.add("the manifest is that of a gzip, this file is none: was it unpacked on its way?")
    check = RowCheck(manifest, findings)
    if manifest.format == "focus":
        _check_focus(_csv_rows(source, manifest, findings), manifest, findings, check.sums)
    else:
        check.check(_rows(file, source, manifest, findings))
        check.finish()
    size_bytes, sha256 = source.finish()
    findings.compare("size in bytes", size_bytes, manifest.size_bytes)
    findings.compare("SHA-256", sha256, manifest.sha256)
    _compare_sums(check.sums, manifest, findings)
    return manifest, findings


def _rows(file: Path, source: Source, manifest: Manifest, findings: Findings) -> Iterator[Row]:
    if manifest.format == "xlsx":
        columns = [*COLUMNS, *(DETAILS if manifest.columns else [])]
        return sheet_rows(file, len(columns), NUMBERS, findings)
    if manifest.format == "parquet":
        return parquet_rows(file, manifest.time_zone, findings)
    return _csv_rows(source, manifest, findings)


def _csv_rows(source: Source, manifest: Manifest, findings: Findings) -> Iterator[Row]:
    return csv_rows(source, manifest.csv_separator or ",", manifest.csv_encoding == "utf-8-sig", findings)


def _check_focus(rows: Iterator[Row], manifest: Manifest, findings: Findings, sums: Sums) -> None:
    _, header = next(rows, (1, []))
    if check_header(header, findings):
        check = FocusCheck(manifest, findings, sums.by_kind)
        for row in rows:
            check.check(header, row)


def _compare_sums(sums: Sums, manifest: Manifest, findings: Findings) -> None:
    totals = sums.by_kind.values()
    findings.compare("movements", sum(rows for rows, _, _ in totals), manifest.row_count)
    told = {"charges": manifest.charges, "top-ups": manifest.top_ups, "adjustments": manifest.adjustments}
    added = dict.fromkeys(told, 0)
    for (description, unit), (_, _, nanos) in sums.by_kind.items():
        is_top_up = description == TOP_UP or manifest.manifest_version == 1
        added["charges" if unit else "top-ups" if is_top_up else "adjustments"] += nanos
    for name, nanos in added.items():
        findings.compare(name, text_of(nanos), text_of(told[name]))
    told_by_kind = {
        (each.description, each.unit): [each.row_count, each.units_charged, each.credit_movement]
        for each in manifest.by_description
    }
    for kind in sorted(told_by_kind.keys() | sums.by_kind.keys()):
        found, expected = (each.get(kind, [0, 0, 0]) for each in (sums.by_kind, told_by_kind))
        if found != expected:
            name = " in ".join(filter(None, kind))
            findings.compare(name, _told(found), _told(expected))


def _told(total: list[int]) -> str:
    rows, units, nanos = total
    return f"{rows} movements, {units} units, {text_of(nanos)}"
