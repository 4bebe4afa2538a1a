"""`python -m benchmarks.forms [ROWS]`: one exporter writes the same rows in each form, in turn.

A sheet has 1,048,576 rows. Where the account has more movements, its sheet is that of as many of the last days as fit, and what
asking for all of them ends with is timed, too.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.exports import at_work
from benchmarks.movements import ACCOUNT, fill
from benchmarks.proc import memory, peak, processor_seconds, reset_peak
from benchmarks.product import command, metric, worker
from benchmarks.results import save
from credit_movements import clickhouse
from credit_movements.settings import settings_of
from credit_movements.stack.servers import Servers, servers

ROWS = 4_000_000
MOST_SHEET_ROWS = 1_048_576
# A few days less than 13 months, which are 395 to 397.
_DAYS = 390
_ROWS = "credit_export_rows_total"
_DETAILED = ("--columns", "detailed")
_FORMS = {
    "csv": (),
    "csv, gzip": ("--compression", "gzip"),
    "csv, detailed": _DETAILED,
    "parquet": ("--format", "parquet"),
    "parquet, detailed": ("--format", "parquet", *_DETAILED),
    "focus": ("--format", "focus"),
}
_SHEETS = {
    "xlsx": ("--format", "xlsx"),
    "xlsx, detailed": ("--format", "xlsx", *_DETAILED),
}


@dataclass(frozen=True)
class Made:
    """Of one file. `seconds` from the first question to the finished file; memory in MiB at its peak, beyond what there was."""

    form: str
    rows: int
    bytes: int
    seconds: float
    processor_seconds: float
    memory_growth: float
    clickhouse_memory_growth: float


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as stack:
        command(stack.environment, "setup")
        with clickhouse.client(settings_of(stack.environment)) as client:
            fill(client, rows, days=_DAYS, has_details=True)
        now = datetime.now(UTC)
        fitting = timedelta(days=_DAYS * min(1.0, 0.98 * MOST_SHEET_ROWS / rows))
        whole = ("--period-from", (now - timedelta(days=_DAYS + 1)).isoformat())
        part = ("--period-from", (now - fitting).isoformat())
        storage = Path(name) / "exports"
        environment = {**stack.environment, "CREDIT_EXPORT_STORAGE_URL": storage.as_uri()}
        with worker(environment, "credit_movements", "export") as process_id:
            command(environment, "request-export", "nobody", "--wait")
            made = [
                _made(environment, stack, process_id, storage, form, (*options, *whole))
                for form, options in _FORMS.items()
            ]
            made += [
                _made(environment, stack, process_id, storage, form, (*options, *part))
                for form, options in _SHEETS.items()
            ]
            if rows >= MOST_SHEET_ROWS:
                _refused(environment, (*_SHEETS["xlsx"], *whole))
    print("\n| form | rows | MB | s | processor s | MiB more | of ClickHouse |")
    print("|---" * 7 + "|")
    for each in made:
        print(
            f"| {each.form} | {each.rows:,} | {each.bytes / 1e6:,.0f} | {each.seconds:.1f} | {each.processor_seconds:.1f}"
            f" | {each.memory_growth:.0f} | {each.clickhouse_memory_growth:.0f} |"
        )
    save("forms", {"rows": rows, "made": list(map(asdict, made))})


def _made(
    environment: dict[str, str], stack: Servers, process_id: int, storage: Path, form: str, options: tuple[str, ...]
) -> Made:
    port, database = int(environment["CREDIT_EXPORT_HTTP_PORT"]), stack.process_ids["clickhouse"]
    before = [memory(each) for each in (process_id, database)]
    for each in (process_id, database):
        reset_peak(each)
    there, rows, seconds, processor = _files(storage), metric(port, _ROWS), at_work(port), processor_seconds(process_id)
    command(environment, "request-export", ACCOUNT, "--wait", "--time-zone", "Europe/Berlin", *options)
    seconds, processor = at_work(port) - seconds, processor_seconds(process_id) - processor
    growth = [peak(each) - held for each, held in zip((process_id, database), before, strict=True)]
    new = _files(storage) - there
    file = max(new, key=lambda path: path.stat().st_size)
    size = file.stat().st_size
    for each in new:
        each.unlink()
    print(f"{form}: {seconds:.1f} s", flush=True)
    return Made(form, int(metric(port, _ROWS) - rows), size, seconds, processor, *growth)


def _files(storage: Path) -> set[Path]:
    """The customers' files, and their manifests."""
    return {path for path in (storage / "files").rglob("*") if path.is_file()}


def _refused(environment: dict[str, str], options: tuple[str, ...]) -> None:
    began_at = time.monotonic()
    try:
        command(environment, "request-export", ACCOUNT, "--wait", *options)
    except subprocess.CalledProcessError:
        print(
            f"a sheet of all rows is refused after {time.monotonic() - began_at:.1f} s, the command's own start included"
        )
    else:
        raise AssertionError("a sheet cannot have all rows")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
