"""Handles one well-formed request, until it may be acknowledged:

1. Wait until no export of the account is running in this process. The requests of an account are decided on one by one, in the
   order of the log.
2. Decide whether the request is new, known, or a repeat (`admission`). Its position in the log decides, never a clock, so a
   worker that reads the same log and records again decides the same. If the request is new, note where the account's partition
   of `credit-movements` ends, and write the record that accepts the request.
3. Make the file (`file`).
4. Note where the partition of `export-requests` ends, and write the outcome with it: requests below that end are repeats. If
   another worker was quicker, its outcome stands and ours is dropped.
5. Publish the notification, and wait for its acknowledgement (`notify` does 4 and 5).
6. Return: only now may the caller acknowledge the request. After a crash before that these steps are done again from the first;
   the records of steps 2 and 4 then lead to the same file and the same notification.
"""

import logging
import time

from exporter.admission.admission import Admission, EndedBefore, Repeat
from exporter.admission.running import RunningExports
from exporter.file.formats.limits import TooLargeForFormatError
from exporter.file.making import ExportTooLongError, FileMaker, MadeFile
from exporter.file.progress import Progress
from exporter.metrics import ExporterMetrics
from exporter.notify.conclusion import Conclusion
from exporter.notify.notifications import Failure
from exporter.request.csv_options import UnknownOption
from exporter.request.requests import ExportRequest
from exporter.request.window import BadPeriod
from exporter.storage.records import AcceptedRequest
from kafka_io.errors import Outage

logger = logging.getLogger(__name__)


class RequestHandler:
    def __init__(
        self,
        admission: Admission,
        file_maker: FileMaker,
        conclusion: Conclusion,
        metrics: ExporterMetrics,
        *,
        outage_limit_seconds: float,
        progress: Progress | None = None,
    ) -> None:
        self._admission = admission
        self._file_maker = file_maker
        self._conclusion = conclusion
        self._metrics = metrics
        self._progress = progress or Progress(metrics)
        self._outage_limit_seconds = outage_limit_seconds
        self._running = RunningExports()

    async def handle(self, request: ExportRequest) -> None:
        """Do all that the request asks for. When this returns, acknowledge the request; if this is cancelled, do not."""
        async with self._running.deciding(request.account_id):
            # 1. After it, the outcome of the earlier export is in the records, where step 2 looks.
            await self._running.wait_until_ended(request.account_id)
            accepted = await self._admitted(request)  # 2.
            if accepted is None:
                return
            self._running.begin(request.account_id)
        try:
            with self._progress.followed(accepted):
                await self._export(accepted)  # 3 to 5.
        finally:
            self._running.end(request.account_id)

    async def refuse(self, asked: ExportRequest) -> None:
        """Notify the account that its request is not in order and gets no file. When this returns, acknowledge the request.

        If a request with this id was accepted before, the notification of its export answers this one too. Nothing is recorded,
        because a refused request must not make a later request a repeat.
        """
        async with self._running.deciding(asked.account_id):
            if await self._admission.knows(asked):
                logger.info("request %s is not in order, and was accepted before", asked.request_id)
                return
        await self._conclusion.publish_refusal(asked)

    async def _admitted(self, request: ExportRequest) -> AcceptedRequest | None:
        """What to export for this request; None if there is nothing more to do."""
        decision = await self._admission.decide(request)
        if isinstance(decision, Repeat):
            logger.info("request %s is a repeat: %s", request.request_id, decision.why)
            self._metrics.repeats.inc()
            return None
        if isinstance(decision, EndedBefore):
            logger.info("export %s ended before: its notification is sent again", request.request_id)
            await self._conclusion.publish(decision.accepted, decision.outcome)
            return None
        return decision

    async def _export(self, accepted: AcceptedRequest) -> None:
        began_at_seconds = time.monotonic()
        with self._metrics.in_progress.track_inprogress():
            result = await self._result(accepted)  # 3.
            with self._metrics.phase("conclude"):
                standing = (await self._conclusion.conclude(accepted, result)).notification  # 4 and 5.
        duration_seconds = time.monotonic() - began_at_seconds
        self._metrics.count(standing["status"], standing["row_count"], duration_seconds)
        logger.info("export %s %s after %.1f s", accepted.request.request_id, standing["status"], duration_seconds)

    async def _result(self, accepted: AcceptedRequest) -> MadeFile | Failure:
        if accepted.period is None:
            is_bad = isinstance(accepted.request.period, BadPeriod)
            logger.info(
                "export %s asks for %s", accepted.request.request_id, "no period" if is_bad else "no zone we know"
            )
            return Failure.INVALID_PERIOD if is_bad else Failure.UNKNOWN_TIME_ZONE
        options = accepted.request.file.options()
        if isinstance(options, UnknownOption):
            logger.info("export %s has an unknown %s", accepted.request.request_id, options.name)
            return Failure.UNKNOWN_OPTION
        if accepted.log_end_offset is None:
            return Failure.TEMPORARILY_UNAVAILABLE
        try:
            return await self._file_maker.make(
                accepted, accepted.period, options, accepted.log_end_offset, self._outage_limit_seconds
            )
        except Outage as error:
            logger.error("export %s is given up: %s", accepted.request.request_id, error)
            return Failure.TEMPORARILY_UNAVAILABLE
        except ExportTooLongError as error:
            logger.error("export %s is given up: %s", accepted.request.request_id, error)
            return Failure.TOOK_TOO_LONG
        except TooLargeForFormatError as error:
            logger.info("export %s is not made: %s", accepted.request.request_id, error)
            return Failure.TOO_LARGE_FOR_FORMAT
