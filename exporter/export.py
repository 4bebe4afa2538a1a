"""Making the file of one accepted request: wait for the sink, read, write, count.

1. Wait until the sink has passed the noted end of the account's partition: ClickHouse then has every row of the export.
2. Read the rows in order, turn block after block into CSV, and upload it under the export's own key. The file appears whole
   or not at all; made again, by whomever, it has the same bytes.
3. Upload the manifest, which says what is in the file. The same holds for it.

An outage is waited out in each step, for so long.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from exporter.csv_file import csv_chunks
from exporter.csv_options import CsvOptions
from exporter.ledger import AcceptedRequest
from exporter.manifest import manifest_bytes
from exporter.outages import SinkBehindError, waited_out
from exporter.packing import packed
from exporter.storage import ExportStorage, StoredFile
from exporter.threads import in_thread
from exporter.totals import Totals
from exporter.window import Period
from sinks.reader import MovementsSlice, MovementsUnavailableError, SliceTotals, read_totals, stream_movements

# The sink is nearly always a second behind, and an export should not take longer for it; a longer wait is worth a word.
_LONGEST_SINK_WAIT_SECONDS = 2.0
_QUIET_SINK_SECONDS = 10.0


class ExportAbandonedError(Exception):
    """Nobody waits for this file any more: its upload ends without a file."""


@dataclass(frozen=True)
class MadeFile:
    """An export's file in the storage. `row_count`: its movements, the header not counted."""

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
        sink_position: Callable[[int], int],
    ) -> None:
        self._storage = storage
        self._clickhouse = clickhouse
        self._sink_position = sink_position

    async def make(
        self, accepted: AcceptedRequest, period: Period, log_end_offset: int, within_seconds: float
    ) -> MadeFile:
        """Raises the outage that either step could not outlast `within_seconds`."""
        await waited_out(
            lambda: in_thread(self._check_sink, accepted.request.place.partition, log_end_offset),
            "an export waits for the sink",
            within_seconds=within_seconds,
            longest_wait_seconds=_LONGEST_SINK_WAIT_SECONDS,
            quiet_seconds=_QUIET_SINK_SECONDS,
        )
        return await waited_out(
            lambda: self._made(accepted, period, log_end_offset),
            "an export's file cannot be made",
            within_seconds=within_seconds,
        )

    def _check_sink(self, partition: int, log_end_offset: int) -> None:
        position = self._sink_position(partition)
        if position < log_end_offset:
            raise SinkBehindError(f"the sink is at {position} of partition {partition}, {log_end_offset} is needed")

    async def _made(self, accepted: AcceptedRequest, period: Period, log_end_offset: int) -> MadeFile:
        abandoned = threading.Event()
        try:
            return await in_thread(self._write, accepted, period, log_end_offset, abandoned)
        finally:
            # No more than a word to the thread that is finished; the end of one whose caller was cancelled.
            abandoned.set()

    def _write(
        self, accepted: AcceptedRequest, period: Period, log_end_offset: int, abandoned: threading.Event
    ) -> MadeFile:
        place = accepted.request.place
        wanted = MovementsSlice(
            account_id=accepted.request.account_id,
            from_micros=period.from_micros,
            to_micros=period.to_micros,
            log_id=place.log_id,
            log_partition=place.partition,
            log_end_offset=log_end_offset,
        )
        options = accepted.request.options
        assert isinstance(options, CsvOptions), "no file is made of an unknown option"
        totals = Totals()

        def counted(client: Client) -> Iterator[pl.DataFrame]:
            for block in stream_movements(client, wanted):
                if abandoned.is_set():
                    raise ExportAbandonedError
                totals.add(block)
                yield block

        client = self._connected()
        try:
            beside = read_totals(client, wanted)
            lines = csv_chunks(counted(client), period, options)
            file = self._storage.put_stream(accepted.keys.file, packed(lines, options))
        finally:
            client.close()
        _check_sums(totals, beside)
        made = MadeFile(file, options.file_name(period.file_name), totals.row_count)
        manifest = manifest_bytes(accepted, period, log_end_offset, options, made.file, made.file_name, totals, beside)
        self._storage.put_stream(accepted.keys.manifest, [manifest])
        return made

    def _connected(self) -> Client:
        try:
            return self._clickhouse()
        except ClickHouseError as error:
            raise MovementsUnavailableError(f"ClickHouse: {error}") from error


def _check_sums(totals: Totals, beside: SliceTotals) -> None:
    """The rows that came add up to what ClickHouse itself makes of them."""
    told = (sum(card.row_count for card in beside.by_card), sum(card.nanos for card in beside.by_card))
    if told != (totals.row_count, totals.nanos):
        raise MovementsUnavailableError(
            f"ClickHouse tells of {told[0]} rows and {told[1]} nanos, but sent {totals.row_count} and {totals.nanos}"
        )
