"""Makes the file of one accepted request:

1. Wait until the sink has passed the noted end of the account's partition: ClickHouse then has every row of the export.
2. Let ClickHouse add up the rows, for all exports that wait in one question. That is cheap. The sums say how much work the file
   is (see `slots`), how much of it is done later on, and whether the stream of rows was whole.
3. With a slot, read the rows in order, turn block after block into CSV, and upload it under the export's own key. Large files
   have a thread for each of the three, with a few blocks between them, so memory does not grow with the file. The file appears
   whole or not at all, and every attempt writes the same bytes.
4. Upload the manifest, which says what is in the file. Every attempt writes the same bytes of it, too.

Each step waits out an outage, up to a limit. An export gives up a file that takes longer than the time limit, outages included.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from exporter.file.clickhouse_clients import ClickHouseClients
from exporter.file.formats.files import FileForm
from exporter.file.formats.limits import check_sheet_rows
from exporter.file.headers import file_headers
from exporter.file.manifest import manifest_bytes, manifest_name
from exporter.file.progress import Progress
from exporter.file.read_ahead import read_ahead
from exporter.file.shown import Shown
from exporter.file.slots import Slots
from exporter.file.totals import Totals
from exporter.metrics import ExporterMetrics
from exporter.outages import waited_out
from exporter.positions.rounds import Rounds
from exporter.request.file_options import FileOptions, Format
from exporter.request.window import Period
from exporter.storage.objects import ExportStorage, StoredFile
from exporter.storage.records import AcceptedRequest
from exporter.threads import in_thread
from kafka_io.errors import Outage
from sinks.read.movements import stream_movements
from sinks.read.slice import BLOCK_ROWS, MovementsSlice, MovementsUnavailableError
from sinks.read.totals import SliceTotals, read_all_totals

# The sink is mostly less than a second behind, so an export asks often. Only a longer wait is logged.
_LONGEST_SINK_WAIT_SECONDS = 0.25
_QUIET_SINK_SECONDS = 10.0
# Asking costs more than counting, so those who wait are counted together. An account of years does not hold up all others.
_COUNTING_AT_ONCE = 2
_MOST_COUNTED = 50
# While there is other work, a question waits so long for others to be counted with it.
_GATHERING_SECONDS = 0.25
# Enough for a step to go on while the next one works. A block with its CSV takes some 10 MB.
_BLOCKS_AHEAD = 2


class SinkBehindError(Outage):
    """ClickHouse does not have all rows yet that an export must have."""


class ExportTooLongError(Exception):
    """The time limit of an export has passed."""


class ExportAbandonedError(Exception):
    """The export was cancelled, so nobody waits for this file: its upload must end without a file."""


@dataclass(frozen=True)
class MadeFile:
    """An export's file in the storage. `row_count`: its movements, without the header."""

    file: StoredFile
    file_name: str
    row_count: int


class FileMaker:
    """Makes files. `clickhouse` gives a client for one question at a time; `sink_position` is the next offset of a partition
    of `credit-movements` that the sink has not yet written. Both block, and may raise outages."""

    def __init__(
        self,
        storage: ExportStorage,
        clickhouse: Callable[[], Client],
        sink_position: Callable[[int], Awaitable[int]],
        *,
        slots: Slots,
        metrics: ExporterMetrics,
        time_limit_seconds: float,
        provider: str,
        progress: Progress | None = None,
    ) -> None:
        self._storage = storage
        self._clients = ClickHouseClients(clickhouse)
        self._totals = Rounds(
            self._all_totals,
            at_once=_COUNTING_AT_ONCE,
            most=_MOST_COUNTED,
            gathering_seconds=lambda: _GATHERING_SECONDS if slots.many_wait else 0.0,
        )
        self._sink_position = sink_position
        self._slots = slots
        self._metrics = metrics
        self._time_limit_seconds = time_limit_seconds
        self._provider = provider
        self._progress = progress or Progress(metrics)

    async def make(
        self,
        accepted: AcceptedRequest,
        period: Period,
        options: FileOptions,
        log_end_offset: int,
        within_seconds: float,
    ) -> MadeFile:
        """Raises the outage that a step could not outlast `within_seconds`, ExportTooLongError and TooLargeForFormatError."""
        with self._metrics.phase("sink"):
            await waited_out(
                lambda: self._check_sink(accepted.request.position.partition, log_end_offset),
                "an export waits for the sink",
                within_seconds=within_seconds,
                longest_wait_seconds=_LONGEST_SINK_WAIT_SECONDS,
                quiet_seconds=_QUIET_SINK_SECONDS,
            )
        wanted = wanted_movements(accepted, period, log_end_offset)
        slice_totals = await self._added_up(wanted, within_seconds)
        form = FileForm(options, period, accepted.request.account_id, self._provider)
        if options.format == Format.XLSX and not options.descriptions:
            check_sheet_rows(slice_totals.row_count)
        is_large = self._slots.is_large(slice_totals.row_count)
        async with self._slots.one_for_large(self._metrics) if is_large else self._slots.one(self._metrics):
            return await self._written(accepted, form, wanted, slice_totals, within_seconds)

    async def _check_sink(self, partition: int, log_end_offset: int) -> None:
        position = await self._sink_position(partition)
        if position < log_end_offset:
            raise SinkBehindError(f"the sink is at {position} of partition {partition}, {log_end_offset} is needed")

    async def _added_up(self, wanted: MovementsSlice, within_seconds: float) -> SliceTotals:
        with self._metrics.phase("count"):
            return await waited_out(
                lambda: self._totals.answer(wanted),
                "an export's movements cannot be counted",
                within_seconds=within_seconds,
            )

    def _all_totals(self, wanted: Collection[MovementsSlice]) -> dict[MovementsSlice, SliceTotals]:
        with self._clients.one() as client:
            return read_all_totals(client, wanted)

    async def _written(
        self,
        accepted: AcceptedRequest,
        form: FileForm,
        wanted: MovementsSlice,
        slice_totals: SliceTotals,
        within_seconds: float,
    ) -> MadeFile:
        try:
            with self._metrics.phase("write"):
                async with asyncio.timeout(self._time_limit_seconds):
                    return await waited_out(
                        lambda: self._attempt(accepted, form, wanted, slice_totals),
                        "an export's file cannot be made",
                        within_seconds=within_seconds,
                    )
        except TimeoutError as error:
            raise ExportTooLongError(
                f"its {slice_totals.row_count:,} rows took longer than {self._time_limit_seconds:.0f} s"
            ) from error

    async def _attempt(
        self, accepted: AcceptedRequest, form: FileForm, wanted: MovementsSlice, slice_totals: SliceTotals
    ) -> MadeFile:
        abandoned = threading.Event()
        try:
            return await in_thread(self._write, accepted, form, wanted, slice_totals, abandoned)
        finally:
            # If this coroutine was cancelled, this ends the thread. If the thread has ended, it changes nothing.
            abandoned.set()

    def _write(
        self,
        accepted: AcceptedRequest,
        form: FileForm,
        wanted: MovementsSlice,
        slice_totals: SliceTotals,
        abandoned: threading.Event,
    ) -> MadeFile:
        progress = self._progress.attempt(accepted, slice_totals.row_count)
        shown, details = Shown(form.options, slice_totals.opening_nanos), form.options.reads_details
        # Where all rows fit into a block or two, steps side by side gain less than their threads cost.
        ahead = _BLOCKS_AHEAD if slice_totals.row_count > BLOCK_ROWS else 0
        with (
            self._clients.one() as client,
            read_ahead(stream_movements(client, wanted, slice_totals.row_count, with_details=details), ahead) as blocks,
            read_ahead(form.chunks(shown.blocks(progress.blocks(blocks))), ahead) as chunks,
        ):
            packed_chunks = progress.chunks(form.packed(_until_abandoned(chunks, abandoned)))
            file = self._storage.put_stream(accepted.keys.file, packed_chunks, file_headers(form.name))
        _check_sums(shown.read, slice_totals)
        manifest = manifest_bytes(accepted, form, wanted.log_end_offset, file, shown, slice_totals)
        self._storage.put_stream(accepted.keys.manifest, [manifest], file_headers(manifest_name(form.name)))
        return MadeFile(file, form.name, shown.totals.row_count)


def wanted_movements(accepted: AcceptedRequest, period: Period, log_end_offset: int) -> MovementsSlice:
    """The rows of an export: its period and the noted end of the log fix them for ever."""
    position = accepted.request.position
    return MovementsSlice(
        account_id=accepted.request.account_id,
        from_micros=period.from_micros,
        to_micros=period.to_micros,
        log_id=accepted.movements_log_id,
        log_partition=position.partition,
        log_end_offset=log_end_offset,
    )


def _until_abandoned(chunks: Iterable[bytes], abandoned: threading.Event) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        # Also after the last chunk: an abandoned file must not appear.
        if abandoned.is_set():
            raise ExportAbandonedError


def _check_sums(totals: Totals, slice_totals: SliceTotals) -> None:
    """Hold the sums of the rows that came against ClickHouse's own sums."""
    if (slice_totals.row_count, slice_totals.nanos) != (totals.row_count, totals.nanos):
        raise MovementsUnavailableError(
            f"ClickHouse counts {slice_totals.row_count} rows and {slice_totals.nanos} nanos,"
            f" but sent {totals.row_count} and {totals.nanos}"
        )
