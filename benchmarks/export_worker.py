"""One worker's export, measured from within: `python -m benchmarks.export_worker STORAGE_URL`.

ClickHouse by CREDIT_CLICKHOUSE_DSN. Prints JSON: rows, bytes, sha256, seconds, processor_seconds, and memory_growth: by how
many MiB, at its peak.
"""

import asyncio
import json
import sys
import time
from dataclasses import replace

from prometheus_client import CollectorRegistry

from benchmarks.movements import accepted_request
from benchmarks.proc import memory, peak, processor_seconds, reset_peak
from credit_movements import clients
from credit_movements.settings import load_settings
from exporter.file.making import FileMaker, MadeFile
from exporter.file.slots import Slots
from exporter.metrics import ExporterMetrics
from exporter.storage.objects import ExportStorage
from exporter.storage.records import AcceptedRequest


def main(storage_url: str) -> None:
    settings = load_settings()
    maker = FileMaker(
        ExportStorage.open(storage_url),
        lambda: clients.clickhouse_client(settings),
        lambda _: 2**62,
        slots=Slots(1),
        metrics=ExporterMetrics(CollectorRegistry()),
        time_limit_seconds=3600.0,
    )
    accepted = accepted_request()
    # All libraries loaded, all threads started, as in a worker that has been up for a while.
    _made(maker, replace(accepted, request=replace(accepted.request, account_id="nobody")))
    before = memory()
    reset_peak()
    processor_before = processor_seconds()
    began_at = time.monotonic()
    made = _made(maker, accepted)
    seconds = time.monotonic() - began_at
    figures = {
        "rows": made.row_count, "bytes": made.file.size_bytes, "sha256": made.file.sha256,
        "seconds": seconds, "memory_growth": peak() - before, "processor_seconds": processor_seconds() - processor_before,
    }  # fmt: skip
    print(json.dumps(figures))


def _made(maker: FileMaker, accepted: AcceptedRequest) -> MadeFile:
    assert accepted.period is not None
    assert accepted.log_end_offset is not None
    return asyncio.run(maker.make(accepted, accepted.period, accepted.log_end_offset, 0.0))


if __name__ == "__main__":
    main(sys.argv[1])
