"""Deletes the files whose links have expired, from time to time."""

import logging
from collections.abc import Callable
from datetime import timedelta

from exporter.metrics import ExporterMetrics
from exporter.storage.objects import StorageUnavailableError
from exporter.storage.records import ExportRecords
from exporter.threads import in_thread

logger = logging.getLogger(__name__)


class ExpirySweep:
    """`link_ttl`: how long links last. `now_micros`: microseconds since the epoch, UTC."""

    def __init__(
        self, records: ExportRecords, metrics: ExporterMetrics, link_ttl: timedelta, now_micros: Callable[[], int]
    ) -> None:
        self._records = records
        self._metrics = metrics
        self._link_ttl_micros = link_ttl // timedelta(microseconds=1)
        self._now_micros = now_micros

    async def sweep(self) -> None:
        """Delete what has expired by now. Where the storage is away, the next sweep does it."""
        try:
            deleted = await in_thread(self._records.delete_expired_files, self._now_micros(), self._link_ttl_micros)
        except StorageUnavailableError as error:
            logger.warning("expired files are not deleted this time: %s", error)
            return
        self._metrics.expired_files.inc(deleted)
        if deleted:
            logger.info("%d expired files are deleted", deleted)
