"""The log is read back in a thread of its own, while the rater's loop rates the partitions that are ready.

Two rules keep each store with one thread. A store belongs to this thread until `progress` has its partition as ready, and to
the loop from then on. The loop stops the thread, and waits for its end, before it gives partitions up or prepares them anew.

A partition that is ready stays so without being read on: only the rater to which it is assigned can still commit movements to
it. Its predecessor's transactions there have ended, one way or the other, since the reader waits for open ones; a new one of
the predecessor cannot be committed, because Kafka refuses its offsets, which come with an older generation of the group. And
this rater writes to it only when it rates it.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait

from kafka_io.outages import Complaints, Patience
from streams.dedup.catch_up import LogReader
from streams.dedup.needed import Needed
from streams.dedup.progress import LogEnd, Progress
from streams.dedup.store import DedupStore
from streams.registry_outages import outlast_registry


class ReadBack:
    """One reading of the log for these stores (partition number → store), begun at once. `needed`: partition number → what its
    store needs; where it is not known, the store reads on from where it stands."""

    def __init__(
        self,
        reader: LogReader,
        stores: Mapping[int, DedupStore],
        needed: Mapping[int, Needed],
        monotonic_seconds: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._stores = stores
        self._needed = needed
        self._stop = threading.Event()
        # The loop has complaints of its own.
        self.complaints = Complaints(monotonic_seconds)
        self._patience = Patience(self._stop, self.complaints)
        self.progress = Progress(monotonic_seconds)
        thread = ThreadPoolExecutor(1, thread_name_prefix="read back")
        self._reading = thread.submit(self._read)
        # It ends with this.
        thread.shutdown(wait=False)

    @property
    def has_news(self) -> bool:
        """Whether `take_ready` gives something, or raises."""
        return self.progress.has_ready or (self._reading.done() and self._reading.exception() is not None)

    def take_ready(self) -> dict[int, LogEnd]:
        """The partitions whose stores have reached the log's end since the last call. From now on the caller owns the stores.

        Raises what ended the reading: see `LogReader.catch_up`.
        """
        if self._reading.done():
            self._reading.result()
        return self.progress.take_ready()

    def wait(self) -> None:
        """Until it has ended, well or not."""
        wait([self._reading])

    def stop(self) -> None:
        """End it, and wait until nothing of it uses a store or the reader any more."""
        self._stop.set()
        self.wait()

    def _read(self) -> None:
        for store in self._stores.values():
            if not self._stop.is_set():
                store.begin_from_snapshot(self._stop.is_set)
        self._patience.outlast("Kafka", lambda: self._reader.skip(self._stores, self._needed))
        self._patience.outlast("Kafka", lambda: outlast_registry(self._patience, self._read_on))

    def _read_on(self) -> None:
        stores = {number: store for number, store in self._stores.items() if not self.progress.has_ended(number)}
        self._reader.catch_up(stores, self.progress, self._stop)
