"""One account's export, however large: its speed beside ClickHouse's own, and how much memory it takes.

`python -m benchmarks.exports [ROWS]`: two worker processes export the same request, one after the other, and before each of
them ClickHouse writes the same query as CSV to /dev/null, so that the ratio holds on a noisy machine. ClickHouse, a process of
its own, shares the machine's processors with the worker.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from benchmarks.movements import accepted_request, fill
from benchmarks.proc import memory, peak, processor_seconds, reset_peak
from benchmarks.table import line, ratio_line
from credit_movements import clients
from credit_movements.embedded.services import clickhouse_service
from credit_movements.settings import settings_of
from credit_movements.stack.secrets import kept_secret
from credit_movements.stack.stages import Ports, stack_environment
from credit_movements.supervision.processes import running
from exporter.file.making import wanted_movements
from sinks.read.movements import _IN_ORDER
from sinks.read.slice import ROWS_OF_SLICE, SETTINGS
from sinks.write.migrations import apply_migrations

ROWS = 10_000_000
ROUNDS = 2
_MEGABYTE = 1_000_000

# The cells of `exporter.file.csv_file`, as ClickHouse would write them.
_GUARDED = r"if(match({0}, '^[=+@\\t\\r-]'), concat('\'', {0}), {0})"
_TO_DEV_NULL = f"""
INSERT INTO FUNCTION file('/dev/null', CSV)
SELECT
    formatDateTime(occurred_at, '%Y-%m-%d %H:%i:%S', 'Europe/Berlin'),
    {_GUARDED.format("interaction_id")},
    {_GUARDED.format("toString(description)")},
    unit,
    if(unit = '', '', toString(units_charged)),
    if(unit = '', '', toString(price)),
    credit_movement
{ROWS_OF_SLICE}
{_IN_ORDER}
"""
# Those that say which rows; how to be fast is left to ClickHouse.
_SETTINGS = {name: value for name, value in SETTINGS.items() if name.endswith("_if_final")}


@dataclass(frozen=True)
class Round:
    """`exported` is what the worker says of its file; memory in MiB. `export_processor_seconds` of both processes."""

    clickhouse_seconds: float
    clickhouse_processor_seconds: float
    export_processor_seconds: float
    exported: Mapping[str, Any]
    clickhouse_memory_growth: float

    @property
    def rows_per_second(self) -> float:
        return float(self.exported["rows"] / self.exported["seconds"])

    @property
    def ratio(self) -> float:
        return float(self.clickhouse_seconds / self.exported["seconds"])


def main(rows: int) -> None:
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {rows:,} rows, {ROUNDS} rounds", flush=True)
    with _clickhouse() as (client, process_id, environment, folder):
        began_at = time.monotonic()
        fill(client, rows)
        print(f"filled in {time.monotonic() - began_at:.0f} s", flush=True)
        rounds = [_round(client, process_id, environment, folder / f"round-{number}") for number in range(ROUNDS)]
    assert {each.exported["rows"] for each in rounds} == {rows}
    print("\n| what | median | range |\n|---|---|---|")
    line("export, ClickHouse to disk, rows/s", [each.rows_per_second for each in rounds])
    line("export, MB/s", [each.exported["bytes"] / _MEGABYTE / each.exported["seconds"] for each in rounds])
    line(
        "ClickHouse alone, the same query as CSV to /dev/null, rows/s",
        [rows / each.clickhouse_seconds for each in rounds],
    )
    ratio_line("export / ClickHouse alone", [each.ratio for each in rounds])
    line("export, processor seconds of worker and ClickHouse", [each.export_processor_seconds for each in rounds])
    line("ClickHouse alone, processor seconds", [each.clickhouse_processor_seconds for each in rounds])
    line("worker, growth of memory at its peak, MiB", [each.exported["memory_growth"] for each in rounds])
    line("ClickHouse, growth of memory at its peak, MiB", [each.clickhouse_memory_growth for each in rounds])
    hashes = {each.exported["sha256"] for each in rounds}
    print(
        f"\nSHA-256 of the {ROUNDS} workers' files: " + ("the same, " if len(hashes) == 1 else "") + ", ".join(hashes)
    )


@contextmanager
def _clickhouse() -> Iterator[tuple[Client, int, dict[str, str], Path]]:
    """A ClickHouse with an empty table, the id of its process, the settings of workers on it."""
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), Ports.any_free()
        environment = stack_environment(folder, ports)
        password = kept_secret(folder, "clickhouse-password")
        with running(clickhouse_service(folder / "clickhouse", ports.clickhouse, password), folder) as server:
            apply_migrations(environment["CREDIT_CLICKHOUSE_DSN"])
            with clients.clickhouse_client(settings_of(environment)) as client:
                yield client, server.process_id, environment, folder


def _round(client: Client, process_id: int, environment: Mapping[str, str], folder: Path) -> Round:
    accepted = accepted_request()
    assert accepted.period is not None
    assert accepted.log_end_offset is not None
    wanted = wanted_movements(accepted, accepted.period, accepted.log_end_offset)
    began_at, processor_at_first = time.monotonic(), processor_seconds(process_id)
    client.command(_TO_DEV_NULL, parameters=vars(wanted), settings=_SETTINGS)
    clickhouse_seconds = time.monotonic() - began_at
    processor_between = processor_seconds(process_id)
    before = memory(process_id)
    reset_peak(process_id)
    command = (sys.executable, "-m", "benchmarks.export_worker", folder.as_uri())
    worker = subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
    exported = json.loads(worker.stdout)
    print(f"ClickHouse alone {clickhouse_seconds:.1f} s, export {exported['seconds']:.1f} s", flush=True)
    return Round(
        clickhouse_seconds,
        processor_between - processor_at_first,
        exported["processor_seconds"] + processor_seconds(process_id) - processor_between,
        exported,
        peak(process_id) - before,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
