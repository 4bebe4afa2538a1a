"""Snapshots of stores in object storage, so that a new machine begins in seconds: it reads a snapshot, and of the log the rest.

A snapshot is the files of a store: its runs, then its manifest. A thread uploads them after the store has written them to its
disk. It never delays the rater, and what fails is tried again.

A snapshot is right or of no use, but never wrong, whoever wrote it last. What a manifest says is true for ever: the runs that
it names know all movements below its offset. Two raters may upload for one partition, while the first does not know yet that it
has lost it. Where the older manifest stays, more of the log is read. Where it names a run that the other rater has deleted, the
snapshot is refused, as is one that is torn, altered or of another log: the store is then filled from the log, and uploaded once
it is further on than the one that was refused. Checksums do not stop somebody who may write to the storage and means harm.

A run is deleted once the newest manifest does not name it and a day has passed since it was uploaded, by the storage's own
clock. A reader that finds a run deleted begins again with the newer manifest.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from kafka_io.outages import SECONDS_BETWEEN_COMPLAINTS, Complaints, MonotonicSeconds
from streams.dedup.files import Manifest, write_manifest
from streams.dedup.runs import Run
from streams.dedup.snapshot_objects import SnapshotObjects, StoppedError

logger = logging.getLogger(__name__)

# The log gives as many in some four seconds: less is not worth the way to the storage.
_WORTH_FETCHING = 1_000_000
# How often a reader begins again with a newer manifest.
_ATTEMPTS = 3
_SECONDS_BEFORE_TRYING_AGAIN = 30.0


class _Offer(NamedTuple):
    manifest: Manifest
    runs: Sequence[Run]


class Snapshots:
    """Those of all stores of a rater, in one storage. `failed` is called for each failure."""

    def __init__(
        self, storage: ObjectStore, monotonic_seconds: MonotonicSeconds, failed: Callable[[], object] = lambda: None
    ) -> None:
        self.failed = failed
        self._storage = storage
        self._now = monotonic_seconds
        self._complaints = Complaints(monotonic_seconds)
        self._snapshots: dict[str, Snapshot] = {}
        self._offers: dict[Snapshot, _Offer] = {}
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._upload_all, name="snapshots", daemon=True)
        self._unreachable_until = monotonic_seconds()

    def of(self, log_id: str, number: int, keep: timedelta) -> "Snapshot":
        """That of the store of one partition, which keeps ids for so long."""
        # The id of a log is Kafka's, and may be no name of an object.
        root = f"dedup/{hashlib.sha256(log_id.encode()).hexdigest()}/{number}"
        if root not in self._snapshots:
            self._snapshots[root] = Snapshot(self, SnapshotObjects(self._storage, root), root, log_id, keep)
        return self._snapshots[root]

    def close(self, seconds: float) -> None:
        """Upload what is offered, for so long at most. What is not there by then is uploaded when its store is next saved."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def offer(self, snapshot: "Snapshot", manifest: Manifest, runs: Sequence[Run]) -> None:
        """To be uploaded. Of a store that writes faster than the storage takes it, only the newest counts."""
        with self._changed:
            self._offers[snapshot] = _Offer(manifest, runs)
            if self._thread.ident is None:
                self._thread.start()
            self._changed.notify()

    def withdraw(self, snapshot: "Snapshot") -> None:
        with self._changed:
            self._offers.pop(snapshot, None)

    @property
    def is_reachable(self) -> bool:
        """Whether to try a fetch: for a minute after one has failed, the other stores need not wait for it too."""
        return self._now() >= self._unreachable_until

    def note_unreachable(self, error: Exception) -> None:
        self._unreachable_until = self._now() + SECONDS_BETWEEN_COMPLAINTS
        self.failed()
        logger.warning("snapshots cannot be fetched, and the log is read instead: %s", _first_line(error))

    def _upload_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._offers or self._is_closing)
                if not self._offers:
                    return
                snapshot = next(iter(self._offers))
                offer = self._offers.pop(snapshot)
            try:
                snapshot.upload(offer.manifest, offer.runs)
                self._complaints.withdraw("snapshots")
            except (BaseError, OSError) as error:
                self.failed()
                self._complaints.complain("snapshots", f"uploading {snapshot}: {_first_line(error)}")
                with self._changed:
                    # Behind the others: it may be the only one that fails.
                    self._offers.setdefault(snapshot, offer)
                    if self._changed.wait_for(lambda: self._is_closing, _SECONDS_BEFORE_TRYING_AGAIN):
                        return


class Snapshot:
    """The snapshot of one store. `root`: the folder of its objects."""

    def __init__(
        self, all_of_them: Snapshots, objects: SnapshotObjects, root: str, log_id: str, keep: timedelta
    ) -> None:
        self._all = all_of_them
        self._objects = objects
        self._root = root
        self._log_id = log_id
        self._keep_micros = keep // timedelta(microseconds=1)
        self._is_given_up = False

    def __str__(self) -> str:
        return f"the snapshot {self._root}"

    def offer(self, manifest: Manifest, runs: Sequence[Run]) -> None:
        """The store has written this manifest, which names these runs: have it uploaded. Returns at once."""
        self._all.offer(self, manifest, runs)

    def fetch(self, folder: Path, reached_offset: int, is_stopped: Callable[[], bool]) -> bool:
        """Put the snapshot into the folder of a store that has come to `reached_offset`. False where it is not worth it, fails,
        or `is_stopped` says so on the way: then the folder is as it was."""
        if self._is_given_up or not self._all.is_reachable:
            return False
        try:
            return self._fetched(folder, reached_offset, is_stopped)
        except StoppedError:
            return False
        except ValueError as error:
            self._all.failed()
            logger.warning("%s is refused, and the log is read instead: %s", self, error)
        except (BaseError, OSError) as error:
            self._all.note_unreachable(error)
        return False

    def upload(self, manifest: Manifest, runs: Sequence[Run]) -> None:
        """Raises BaseError and OSError."""
        try:
            text = self._objects.manifest()
            there = None if text is None else Manifest.parsed(text, self._log_id, self._keep_micros)
        except ValueError:
            there = None
        # Whoever rates the partition now is further on.
        if there is None or there.reached_offset <= manifest.reached_offset:
            self._objects.write(manifest, runs)
            self._is_given_up = False

    def give_up(self) -> None:
        """Delete it, and fetch it no more: the store is to be filled from the log."""
        self._is_given_up = True
        self._all.withdraw(self)
        try:
            self._objects.delete_manifest()
        except (BaseError, OSError) as error:
            self._all.failed()
            logger.warning("%s is given up, and cannot be deleted: %s", self, _first_line(error))

    def _fetched(self, folder: Path, reached_offset: int, is_stopped: Callable[[], bool]) -> bool:
        for _ in range(_ATTEMPTS):
            text = self._objects.manifest()
            if text is None:
                return False
            manifest = Manifest.parsed(text, self._log_id, self._keep_micros)
            # A store that begins takes whatever there is.
            if manifest.reached_offset <= reached_offset + (_WORTH_FETCHING if reached_offset else 0):
                return False
            if self._objects.fetch_runs(manifest.runs, folder, is_stopped):
                write_manifest(folder, text)
                return True
        raise ValueError("a run that it names is not there")


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
