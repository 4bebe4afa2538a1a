"""Decides whether a request gets an export: it is new, known, or a repeat of an earlier one of its account."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from exporter.outages import waited_out
from exporter.positions.completeness import Rated
from exporter.request.csv_options import UnknownOption
from exporter.request.repeats import is_repeat
from exporter.request.requests import ExportRequest
from exporter.request.window import Period
from exporter.storage.objects import StorageUnavailableError
from exporter.storage.records import AcceptedRequest, ExportRecords, Outcome
from exporter.threads import in_thread
from kafka_io.errors import Outage

# Their product is longer than a rater's transaction is mostly open.
_OPEN_TRANSACTION_ATTEMPTS = 40
_OPEN_TRANSACTION_WAIT_SECONDS = 0.05

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Repeat:
    """The request gets no file and no notification of its own."""

    why: str


@dataclass(frozen=True)
class EndedBefore:
    """The same record of the log, read again after a crash. Its export has ended; its notification may be missing."""

    accepted: AcceptedRequest
    outcome: Outcome


Decision = AcceptedRequest | EndedBefore | Repeat


class Admission:
    """Decides on requests, and records those that it accepts.

    `log_end_offset` gives the end of a partition of `credit-movements` (which `movements_log_id` identifies), and `rated_until`
    how far the ledger has come for it. Both are answered after they are asked, and may raise outages.
    """

    def __init__(
        self,
        records: ExportRecords,
        movements_log_id: str,
        log_end_offset: Callable[[int], Awaitable[int]],
        rated_until: Callable[[int], Awaitable[Rated | None]],
        outage_limit_seconds: float,
    ) -> None:
        self._rated_until = rated_until
        self._records = records
        self._movements_log_id = movements_log_id
        self._log_end_offset = log_end_offset
        self._outage_limit_seconds = outage_limit_seconds

    async def decide(self, request: ExportRequest) -> Decision:
        """Decide, and record the request if it is accepted.

        Do not call this while an export of the account is running in this process, nor twice at a time for one account. If the
        storage is away for longer than the limit, the request counts as accepted, without a record and without a
        `log_end_offset`: its export fails.
        """
        try:
            return await self._within_limit(lambda: in_thread(self._looked_up, request)) or await self._accept(request)
        except StorageUnavailableError as error:
            logger.error("export %s is given up before it began: %s", request.request_id, error)
            return AcceptedRequest(request, _period(request), self._movements_log_id, log_end_offset=None)

    async def knows(self, request: ExportRequest) -> bool:
        """Whether a request of this account and id was ever accepted. An outage is waited out, however long."""
        known = await waited_out(
            lambda: in_thread(self._records.accepted, request), "the record of a request cannot be read"
        )
        return known is not None

    def _looked_up(self, request: ExportRequest) -> Decision | None:
        known = self._records.accepted(request)
        if known is not None:
            return self._decision_on_known(request, known)
        return (
            Repeat("an earlier export answers it") if is_repeat(request, self._records.ended_before(request)) else None
        )

    def _decision_on_known(self, request: ExportRequest, known: AcceptedRequest) -> Decision:
        # A second request with the same id has another position; the same record, read again, has the same one.
        if known.request.position != request.position:
            return Repeat("its id was accepted before")
        outcome = self._records.outcome(known)
        return known if outcome is None else EndedBefore(known, outcome)

    async def _accept(self, request: ExportRequest) -> Decision:
        period = _period(request)
        can_be_made = period is not None and not isinstance(request.file.options(), UnknownOption)
        # In this order, so that the movements of all events rated by then lie below the noted end.
        rated = await self._rated(request) if can_be_made else None
        log_end_offset = await self._noted_log_end(request) if can_be_made else None
        log_end_offset, complete_until = await self._end_and_completeness(request, log_end_offset, rated)
        accepted = AcceptedRequest(request, period, self._movements_log_id, log_end_offset, complete_until)
        standing = await self._within_limit(lambda: in_thread(self._records.accept, accepted))
        return standing if standing is accepted else self._decision_on_known(request, standing)

    async def _rated(self, request: ExportRequest) -> Rated | None:
        try:
            return await self._rated_until(request.position.partition)
        except Outage as error:
            # An export can do without the answer, so its customer does not wait for it.
            logger.warning("how far the ledger has come is not known for export %s: %s", request.request_id, error)
            return None

    async def _end_and_completeness(
        self, request: ExportRequest, log_end_offset: int | None, rated: Rated | None
    ) -> tuple[int | None, int | None]:
        """The noted end, and the time until which the data below it are complete.

        Waits a short while for a transaction that is open at the end: without its movements that time is not known.
        """
        for _ in range(_OPEN_TRANSACTION_ATTEMPTS):
            if rated is None or log_end_offset is None:
                return log_end_offset, None
            if log_end_offset >= rated.log_end_offset:
                return log_end_offset, rated.until_micros
            await asyncio.sleep(_OPEN_TRANSACTION_WAIT_SECONDS)
            log_end_offset = await self._noted_log_end(request)
        return log_end_offset, None

    async def _noted_log_end(self, request: ExportRequest) -> int | None:
        try:
            return await self._within_limit(lambda: self._log_end_offset(request.position.partition))
        except Outage as error:
            logger.error("export %s is given up before it began: %s", request.request_id, error)
            return None

    async def _within_limit(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await waited_out(attempt, "no export can begin", within_seconds=self._outage_limit_seconds)


def _period(request: ExportRequest) -> Period | None:
    period = request.period
    return period if isinstance(period, Period) else None
