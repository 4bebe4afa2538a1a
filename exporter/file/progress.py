"""How far the writing of one file has come: in the metrics at once, in the log every so often."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator

import polars as pl

from exporter.metrics import ExporterMetrics

logger = logging.getLogger(__name__)

_MEGABYTE = 1_000_000


class Progress:
    """Of one attempt at the export `export_id`, which is to have `expected_rows`. Its two methods may run in two threads.
    `tell` hears how many rows there are so far."""

    def __init__(
        self,
        export_id: str,
        expected_rows: int,
        metrics: ExporterMetrics,
        tell: Callable[[int], None] = lambda _: None,
        log_every_seconds: float = 10.0,
    ) -> None:
        self._export_id = export_id
        self._expected_rows = expected_rows
        self._metrics = metrics
        self._tell = tell
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
            self._tell(self.rows)
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
