"""Whether a request gets an export: new, known, or a repeat of an earlier one of its account."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from exporter.csv_options import CsvOptions
from exporter.ledger import AcceptedRequest, Notification, RequestLedger
from exporter.outages import OUTAGES, waited_out
from exporter.requests import ExportRequest, is_repeat
from exporter.storage import StorageUnavailableError
from exporter.threads import in_thread
from exporter.window import Period, UnknownTimeZone, export_period

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Repeat:
    """Creates nothing: no second file, no second notification."""

    why: str


@dataclass(frozen=True)
class EndedBefore:
    """The same record of the log, read again after a crash: its export has ended, its notification may be missing."""

    accepted: AcceptedRequest
    notification: Notification


Decision = AcceptedRequest | EndedBefore | Repeat


class Acceptance:
    """`log_end_offset` gives the end of a partition of `credit-movements`; it blocks, and may raise outages."""

    def __init__(
        self, ledger: RequestLedger, log_end_offset: Callable[[int], int], outage_limit_seconds: float
    ) -> None:
        self._ledger = ledger
        self._log_end_offset = log_end_offset
        self._outage_limit_seconds = outage_limit_seconds

    async def decide(self, request: ExportRequest) -> Decision:
        """Decide, and write down what was accepted.

        Must not be called while another export of the account is running in this process, nor twice at a time for one
        account. Where storage stays away beyond the limit, the request is taken as accepted without a record and without a
        `log_end_offset`: it is to fail.
        """
        try:
            return await self._within_limit(lambda: in_thread(self._looked_up, request)) or await self._accept(request)
        except StorageUnavailableError as error:
            logger.error("export %s is given up before it began: %s", request.request_id, error)
            return AcceptedRequest(request, _period(request), log_end_offset=None)

    def _looked_up(self, request: ExportRequest) -> Decision | None:
        known = self._ledger.accepted(request)
        if known is not None:
            return self._decision_on_known(request, known)
        return Repeat("an earlier export answers it") if is_repeat(request, self._ledger.ended_since(request)) else None

    def _decision_on_known(self, request: ExportRequest, known: AcceptedRequest) -> Decision:
        # The id alone does not tell a record that is read again from a second request with the same id; its place does.
        if known.request.place != request.place:
            return Repeat("its id was accepted before")
        outcome = self._ledger.outcome(known)
        return known if outcome is None else EndedBefore(known, outcome)

    async def _accept(self, request: ExportRequest) -> Decision:
        period = _period(request)
        can_be_made = period is not None and isinstance(request.options, CsvOptions)
        log_end_offset = await self._noted_log_end(request) if can_be_made else None
        accepted = AcceptedRequest(request, period, log_end_offset)
        standing = await self._within_limit(lambda: in_thread(self._ledger.accept, accepted))
        return standing if standing is accepted else self._decision_on_known(request, standing)

    async def _noted_log_end(self, request: ExportRequest) -> int | None:
        try:
            return await self._within_limit(lambda: in_thread(self._log_end_offset, request.place.partition))
        except OUTAGES as error:
            logger.error("export %s is given up before it began: %s", request.request_id, error)
            return None

    async def _within_limit(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await waited_out(attempt, "no export can begin", within_seconds=self._outage_limit_seconds)


def _period(request: ExportRequest) -> Period | None:
    period = export_period(request.requested_at_micros, request.time_zone)
    return None if isinstance(period, UnknownTimeZone) else period
