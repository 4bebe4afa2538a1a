"""How far the exports of this process have come: for metrics, log and state page. No decision depends on it."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import polars as pl

from exporter.metrics import ExporterMetrics
from exporter.storage.records import AcceptedRequest

logger = logging.getLogger(__name__)

_MEGABYTE = 1_000_000


class Progress:
    """How many rows of each export are written. It knows only the exports of this process."""

    def __init__(self, metrics: ExporterMetrics, log_every_seconds: float = 10.0) -> None:
        self._metrics = metrics
        self._log_every_seconds = log_every_seconds
        self._rows: dict[str, int] = {}

    @contextmanager
    def followed(self, accepted: AcceptedRequest) -> Iterator[None]:
        """Use this around the making of an export, its waiting for a slot included."""
        name = accepted.keys.export_hash
        self._rows[name] = 0
        try:
            yield
        finally:
            del self._rows[name]

    def attempt(self, accepted: AcceptedRequest, expected_rows: int) -> "Attempt":
        """A new attempt at the file of an export, which will have `expected_rows`. It counts its rows from 0."""
        name = accepted.keys.export_hash

        def note(row_count: int) -> None:
            if name in self._rows:
                self._rows[name] = row_count

        return Attempt(accepted.request.request_id, expected_rows, note, self._metrics, self._log_every_seconds)

    def rows_written(self, accepted: AcceptedRequest) -> int | None:
        """None where this process is not making the export."""
        return self._rows.get(accepted.keys.export_hash)


class Attempt:
    """Counts the rows and bytes that pass: at once in the metrics and by `note`, from time to time in the log. `blocks` and
    `chunks` may run in two threads."""

    def __init__(
        self,
        export_id: str,
        expected_rows: int,
        note: Callable[[int], None],
        metrics: ExporterMetrics,
        log_every_seconds: float,
    ) -> None:
        self._export_id = export_id
        self._expected_rows = expected_rows
        self._note = note
        self._metrics = metrics
        self._log_every_seconds = log_every_seconds
        self._began_at_seconds = time.monotonic()
        self._log_at_seconds = self._began_at_seconds + log_every_seconds
        self.rows = 0
        self._bytes = 0

    def blocks(self, blocks: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The same blocks, their rows counted."""
        for block in blocks:
            self.rows += len(block)
            self._metrics.streamed_rows.inc(len(block))
            self._note(self.rows)
            yield block

    def chunks(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, their bytes counted."""
        for chunk in chunks:
            self._bytes += len(chunk)
            self._metrics.streamed_bytes.inc(len(chunk))
            self._log(time.monotonic())
            yield chunk

    def _log(self, now_seconds: float) -> None:
        if now_seconds < self._log_at_seconds:
            return
        self._log_at_seconds = now_seconds + self._log_every_seconds
        logger.info(
            "export %s: %s of %s rows, %s MB after %.0f s",
            self._export_id,
            f"{self.rows:,}",
            f"{self._expected_rows:,}",
            f"{self._bytes / _MEGABYTE:,.0f}",
            now_seconds - self._began_at_seconds,
        )
