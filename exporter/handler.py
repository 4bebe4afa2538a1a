"""What happens to one request, from the moment it is known to be well-formed until it may be acknowledged.

1. Decide, one request of an account at a time, in the order of the log: is it new, known, or a repeat? One that finds an
   earlier export of its account running here waits for its end, and is then judged by Kafka timestamps alone: the same log
   gives the same decisions, whoever reads it again.
2. New: note where the account's partition of `credit-movements` ends, and write the record that accepts the request.
3. Make the file.
4. Write the outcome. Where another worker was quicker, its outcome stands, and ours is forgotten.
5. Publish the notification, and wait for its acknowledgement.
6. Only now may the request be acknowledged. A crash before that repeats these steps from the first; the records of steps 2
   and 4 then lead to the same file and the same notification.
"""

import logging
import time
from collections.abc import Callable

from exporter.acceptance import Acceptance, EndedBefore, Repeat
from exporter.conclusion import Conclusion
from exporter.csv_options import UnknownOption
from exporter.export import ExportTooLongError, FileMaker, MadeFile
from exporter.ledger import AcceptedRequest
from exporter.live_progress import LiveProgress
from exporter.metrics import ExporterMetrics
from exporter.notifications import Failure
from exporter.outages import OUTAGES
from exporter.requests import ExportRequest
from exporter.running import RunningExport, RunningExports

logger = logging.getLogger(__name__)

# How far this machine's clock may be behind the broker's. A request from further ahead is judged as a later one.
_CLOCK_TOLERANCE_MS = 60_000


class RequestHandler:
    """`now_micros` is the time of day: microseconds since the epoch, UTC."""

    def __init__(
        self,
        acceptance: Acceptance,
        file_maker: FileMaker,
        conclusion: Conclusion,
        metrics: ExporterMetrics,
        now_micros: Callable[[], int],
        *,
        outage_limit_seconds: float,
        live_progress: LiveProgress | None = None,
    ) -> None:
        self._acceptance = acceptance
        self._file_maker = file_maker
        self._conclusion = conclusion
        self._metrics = metrics
        self._live_progress = live_progress or LiveProgress()
        self._now_micros = now_micros
        self._outage_limit_seconds = outage_limit_seconds
        self._running = RunningExports()

    async def handle(self, request: ExportRequest) -> None:
        """Do all that the request asks for. When this returns, it may be acknowledged; if it is cancelled, it may not."""
        async with self._running.deciding(request.account_id):
            accepted = await self._decided(request)
            if accepted is None:
                return
            running = self._running.begin(request.account_id)
        try:
            with self._live_progress.followed(accepted):
                await self._export(accepted, running)
        finally:
            self._running.end(request.account_id)

    async def refuse(self, asked: ExportRequest) -> None:
        """Tell the account that nothing comes of a request that is not in order, unless an export with its id was accepted:
        then it is that one sent again, and its own notification answers it. When this returns, it may be acknowledged.

        The ledger learns nothing of it, so it is no earlier export that would make a later request a repeat.
        """
        async with self._running.deciding(asked.account_id):
            if await self._acceptance.knows(asked):
                logger.info("request %s is not in order, and was accepted before", asked.request_id)
                return
        await self._conclusion.publish_refusal(asked)

    async def _decided(self, request: ExportRequest) -> AcceptedRequest | None:
        """What to export for this request; None if there is nothing more to do."""
        running = self._running.of(request.account_id)
        if running is not None:
            running.answer(request.sent_at_ms)
            # To its end: from then on its outcome is in the ledger, where the decision looks.
            await running.wait_until_ended()
        decision = await self._acceptance.decide(request)
        if isinstance(decision, Repeat):
            logger.info("request %s is a repeat: %s", request.request_id, decision.why)
            self._metrics.repeats.inc()
            return None
        if isinstance(decision, EndedBefore):
            logger.info("export %s ended before: its notification is sent again", request.request_id)
            await self._conclusion.publish(decision.accepted, decision.notification)
            return None
        return decision

    async def _export(self, accepted: AcceptedRequest, running: RunningExport) -> None:
        began_at_seconds = time.monotonic()
        with self._metrics.in_progress.track_inprogress():
            result = await self._result(accepted)
            ended_at_ms = self._ended_at_ms(running)
            with self._metrics.phase("conclude"):
                standing = await self._conclusion.conclude(accepted, result, ended_at_ms)
        duration_seconds = time.monotonic() - began_at_seconds
        self._metrics.count(standing["status"], standing["row_count"], duration_seconds)
        logger.info("export %s %s after %.1f s", accepted.request.request_id, standing["status"], duration_seconds)

    async def _result(self, accepted: AcceptedRequest) -> MadeFile | Failure:
        if accepted.period is None:
            logger.info("export %s asks for an unknown time zone", accepted.request.request_id)
            return Failure.UNKNOWN_TIME_ZONE
        if isinstance(accepted.request.options, UnknownOption):
            logger.info("export %s has an unknown %s", accepted.request.request_id, accepted.request.options.name)
            return Failure.UNKNOWN_OPTION
        if accepted.log_end_offset is None:
            return Failure.TEMPORARILY_UNAVAILABLE
        try:
            return await self._file_maker.make(
                accepted, accepted.period, accepted.log_end_offset, self._outage_limit_seconds
            )
        except OUTAGES as error:
            logger.error("export %s is given up: %s", accepted.request.request_id, error)
            return Failure.TEMPORARILY_UNAVAILABLE
        except ExportTooLongError as error:
            logger.error("export %s is given up: %s", accepted.request.request_id, error)
            return Failure.TOOK_TOO_LONG

    def _ended_at_ms(self, running: RunningExport) -> int:
        now_ms = self._now_micros() // 1000
        return max(now_ms, min(running.answers_until_ms, now_ms + _CLOCK_TOLERANCE_MS))
