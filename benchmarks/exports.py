"""One account's export, however large: its speed beside ClickHouse's own, and how much memory it takes.

`python -m benchmarks.exports [ROWS]`: two exporters, one after the other, export the same rows, and before each of them
ClickHouse writes the same query as CSV to /dev/null, so that the ratio holds on a noisy machine. ClickHouse, a process of its
own, shares the machine's processors with the exporter.
"""

import hashlib
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from clickhouse_connect.driver.client import Client

from benchmarks.movements import ACCOUNT, fill
from benchmarks.proc import memory, peak, processor_seconds, reset_peak
from benchmarks.product import command, metric, worker
from benchmarks.results import save
from benchmarks.table import line, ratio_line
from credit_movements import clickhouse
from credit_movements.settings import settings_of
from credit_movements.stack.servers import Servers, servers
from sinks.read.movements import IN_ORDER
from sinks.read.slice import ROWS_OF_SLICE, SETTINGS, MovementsSlice

ROWS = 10_000_000
ROUNDS = 2
_MEGABYTE = 1_000_000
_TIME_ZONE = "Europe/Berlin"

# The cells of `exporter.file.formats.csv_file`, as ClickHouse would write them.
_GUARDED = r"if(match({0}, '^[=+@\\t\\r-]'), concat('\'', {0}), {0})"
_TO_DEV_NULL = f"""
INSERT INTO FUNCTION file('/dev/null', CSV)
SELECT
    formatDateTime(occurred_at, '%Y-%m-%d %H:%i:%S', '{_TIME_ZONE}'),
    {_GUARDED.format("interaction_id")},
    {_GUARDED.format("toString(description)")},
    unit,
    if(unit = '', '', toString(units_charged)),
    if(unit = '', '', toString(price)),
    credit_movement
{ROWS_OF_SLICE}
{IN_ORDER}
"""
# Those that say which rows; how to be fast is left to ClickHouse.
_SETTINGS = {name: value for name, value in SETTINGS.items() if name.endswith("_if_final")}


@dataclass(frozen=True)
class Exported:
    """What an exporter did; memory in MiB at its peak. `seconds`: from its first question to the finished file."""

    rows: int
    bytes: int
    sha256: str
    seconds: float
    processor_seconds: float
    memory_growth: float


@dataclass(frozen=True)
class Round:
    """Memory in MiB. `export_processor_seconds` of both processes."""

    clickhouse_seconds: float
    clickhouse_processor_seconds: float
    export_processor_seconds: float
    exported: Exported
    clickhouse_memory_growth: float

    @property
    def rows_per_second(self) -> float:
        return self.exported.rows / self.exported.seconds

    @property
    def ratio(self) -> float:
        return self.clickhouse_seconds / self.exported.seconds


def main(rows: int) -> None:
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {rows:,} rows, {ROUNDS} rounds", flush=True)
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as stack:
        command(stack.environment, "setup")
        with clickhouse.client(settings_of(stack.environment)) as client:
            began_at = time.monotonic()
            wanted = fill(client, rows)
            print(f"filled in {time.monotonic() - began_at:.0f} s", flush=True)
            rounds = [_round(client, stack, wanted, Path(name) / f"round-{number}") for number in range(ROUNDS)]
    assert {each.exported.rows for each in rounds} == {rows}
    _print_table(rows, rounds)
    save("exports", {"rows": rows, "rounds": [asdict(each) | {"ratio": each.ratio} for each in rounds]})


def _print_table(rows: int, rounds: list[Round]) -> None:
    print("\n| what | median | range |\n|---|---|---|")
    line("export, ClickHouse to disk, rows/s", [each.rows_per_second for each in rounds])
    line("export, MB/s", [each.exported.bytes / _MEGABYTE / each.exported.seconds for each in rounds])
    line(
        "ClickHouse alone, the same query as CSV to /dev/null, rows/s",
        [rows / each.clickhouse_seconds for each in rounds],
    )
    ratio_line("export / ClickHouse alone", [each.ratio for each in rounds])
    line("export, processor seconds of worker and ClickHouse", [each.export_processor_seconds for each in rounds])
    line("ClickHouse alone, processor seconds", [each.clickhouse_processor_seconds for each in rounds])
    line("worker, growth of memory at its peak, MiB", [each.exported.memory_growth for each in rounds])
    line("ClickHouse, growth of memory at its peak, MiB", [each.clickhouse_memory_growth for each in rounds])
    hashes = {each.exported.sha256 for each in rounds}
    print(
        f"\nSHA-256 of the {ROUNDS} workers' files: " + ("the same, " if len(hashes) == 1 else "") + ", ".join(hashes)
    )


def _round(client: Client, stack: Servers, wanted: MovementsSlice, storage: Path) -> Round:
    process_id = stack.process_ids["clickhouse"]
    began_at, processor_at_first = time.monotonic(), processor_seconds(process_id)
    client.command(_TO_DEV_NULL, parameters=vars(wanted), settings=_SETTINGS)
    clickhouse_seconds = time.monotonic() - began_at
    processor_between = processor_seconds(process_id)
    before = memory(process_id)
    reset_peak(process_id)
    exported = _exported(stack.environment, storage)
    print(f"ClickHouse alone {clickhouse_seconds:.1f} s, export {exported.seconds:.1f} s", flush=True)
    return Round(
        clickhouse_seconds,
        processor_between - processor_at_first,
        exported.processor_seconds + processor_seconds(process_id) - processor_between,
        exported,
        peak(process_id) - before,
    )


def _exported(environment: dict[str, str], storage: Path) -> Exported:
    """By an exporter of its own, with a storage of its own."""
    environment = {**environment, "CREDIT_EXPORT_STORAGE_URL": storage.as_uri()}
    port = int(environment["CREDIT_EXPORT_HTTP_PORT"])
    with worker(environment, "credit_movements", "export") as process_id:
        # All libraries loaded, all threads started, as in a worker that has been up for a while.
        command(environment, "request-export", "nobody", "--wait")
        before = memory(process_id)
        reset_peak(process_id)
        processor_before, seconds_before, rows_before = processor_seconds(process_id), at_work(port), _rows(port)
        command(environment, "request-export", ACCOUNT, "--wait", "--time-zone", _TIME_ZONE)
        file = max(storage.rglob("*.*"), key=lambda path: path.stat().st_size)
        with file.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        return Exported(
            int(_rows(port) - rows_before),
            file.stat().st_size,
            sha256,
            at_work(port) - seconds_before,
            processor_seconds(process_id) - processor_before,
            peak(process_id) - before,
        )


def _rows(port: int) -> float:
    return metric(port, "credit_export_rows_total")


def at_work(port: int) -> float:
    """Seconds that exports took to count their rows and to write their files."""
    return sum(metric(port, "credit_export_phase_seconds_sum", phase=phase) for phase in ("count", "write"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
