"""The deduplication store of one partition, in memory and on disk. It is a projection of `credit-movements`: it can be rebuilt.

New entries gather in memory in sorted runs, merged eight by eight. When they are many, the store writes one run of them all to
a file, together with the offset of `credit-movements` up to which the files know all movements. After a crash the rest is read
from the log again. A folder that is lost, torn or of another log is thrown away, and all of it is read again.

The store forgets an id only when an event of that age would be refused: when it occurred more than `keep` before the newest
record of its partition. It notes the time before which it may have forgotten ids (`forgotten_before`), and the rater refuses
events from before that time. So the rater never charges an event whose id the store may have forgotten, even where the rater no
longer knows the time of the newest record.

What Kafka says is committed, the log need not show. A broker that dies between its acknowledgement and the markers, and
knows no leader of a partition when it is back, takes it for deleted, writes no marker and calls the commit complete (Kafka
4.3.1, seen in its log and its files). If the producer's next transaction is aborted, both are, offsets too, and the events
are read again: a store that has their ids would lose them as duplicates. So the movements of the newest commit
(`add_unseen`) are kept apart until the next commit in the same partition, which closes both. Until then they are in no
file, and the log is asked for them anew whenever partitions are prepared.

A disk that cannot be written does not stop the rater: the entries stay in memory, and the store tries again after growing
pauses. The pauses are counted in entries, since nothing here knows a clock.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streams.dedup.bloom import BloomFilter
from streams.dedup.files import MANIFEST, Manifest, clear, read_run, write_manifest, write_run
from streams.dedup.fingerprints import Hashes
from streams.dedup.runs import Run, look_up, merged
from streams.dedup.snapshots import Snapshot
from streams.events.sorted_keys import Ints

logger = logging.getLogger(__name__)

_RUNS_TO_MERGE = 8
MAX_ENTRIES_IN_MEMORY = 250_000
# Before every time that can be stored.
NOTHING_FORGOTTEN = -(2**62)
# The longest pause between two attempts to write, in units of the entries that memory holds otherwise.
_LONGEST_PAUSE = 16


class DedupStore:
    """The ids of one partition's movements, each with the hash of its content.

    The store knows every movement below `reached_offset` of `credit-movements`, except those that occurred before
    `forgotten_before`, and those of the newest commit behind it. `newest_at` is the time of the partition's newest record. Both
    times are in microseconds.
    """

    def __init__(
        self,
        folder: Path,
        log_id: str,
        keep: timedelta,
        max_in_memory: int = MAX_ENTRIES_IN_MEMORY,
        snapshot: Snapshot | None = None,
    ) -> None:
        self._folder = folder
        self._snapshot = snapshot
        self._has_asked = False
        self._log_id = log_id
        self._keep_micros = keep // timedelta(microseconds=1)
        self._max_in_memory = max_in_memory
        self._pause = max_in_memory
        self._save_at = max_in_memory
        self._memory: list[Run] = []
        self._files: list[tuple[str, Run]] = []
        self._obsolete: list[str] = []
        self._unseen: tuple[Run, int] | None = None
        self._saved_offset = 0
        self.reached_offset = 0
        self.newest_at = 0
        self.forgotten_before = NOTHING_FORGOTTEN
        self._load()
        self._filter = BloomFilter.of(self._runs())

    def __len__(self) -> int:
        return sum(map(len, self._runs()))

    def begin_from_snapshot(self, is_stopped: Callable[[], bool] = lambda: False) -> None:
        """Take the store's snapshot from object storage, if that saves much reading of the log, and unless `is_stopped` says so
        on the way. Asks once."""
        if self._snapshot is None or self._has_asked:
            return
        self._has_asked = True
        if self._snapshot.fetch(self._folder, self.reached_offset, is_stopped):
            self._load()
            self._filter = BloomFilter.of(self._runs())
            logger.info(
                "%s begins with %s: %d ids, offset %d", self._folder, self._snapshot, len(self), self.reached_offset
            )

    def look_up(self, ids: Hashes) -> tuple[npt.NDArray[np.bool_], Hashes]:
        """For each id hash whether a movement has it, and the content hash of that movement."""
        known = np.zeros(len(ids), dtype=bool)
        content = np.zeros(len(ids), dtype=np.uint64)
        rows = np.flatnonzero(self._filter.may_hold(ids))
        known[rows], content[rows] = look_up(self._runs(), ids[rows])
        return known, content

    def add(self, ids: Hashes, content: Hashes, occurred_at: Ints, reached_offset: int) -> None:
        """Add movements that the log shows. The store then knows all below `reached_offset`."""
        self._add(Run.of(ids, content, occurred_at), reached_offset)

    def add_unseen(self, ids: Hashes, content: Hashes, occurred_at: Ints, reached_offset: int) -> None:
        """Add movements of which Kafka says that they are committed. Those that were added so before are settled by it."""
        self._settle()
        run = Run.of(ids, content, occurred_at)
        self._unseen = run, reached_offset
        self._note_in_filter(run)

    @property
    def known_until(self) -> int:
        """As `reached_offset`, with what was added unseen."""
        return self.reached_offset if self._unseen is None else self._unseen[1]

    def drop_unseen(self) -> None:
        """The log, read back from `reached_offset`, says whether they are there."""
        self._unseen = None

    def _settle(self) -> None:
        unseen, self._unseen = self._unseen, None
        if unseen is not None:
            self._add(*unseen)

    def _add(self, run: Run, reached_offset: int) -> None:
        self.reached_offset = reached_offset
        if len(run) == 0:
            return
        self._memory = self._levelled([*self._memory, run])
        self._note_in_filter(run)
        if sum(map(len, self._memory)) >= self._save_at:
            self.save()

    def _note_in_filter(self, run: Run) -> None:
        self._filter.add(run)
        if self._filter.is_full:
            self._filter = BloomFilter.of(self._runs())

    def save(self) -> None:
        """Write the entries in memory to files. Where that fails they stay in memory, and the log has them in any case."""
        try:
            self._save()
        except OSError as error:
            logger.warning(
                "%s cannot be written, %d ids stay in memory: %s", self._folder, sum(map(len, self._memory)), error
            )
            self._save_at = sum(map(len, self._memory)) + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE * self._max_in_memory)
        else:
            self._save_at = self._pause = self._max_in_memory

    def _save(self) -> None:
        if self._memory:
            self._files.append(write_run(self._folder, self._merged(self._memory)))
            self._memory = []
        if self.reached_offset == self._saved_offset:
            return
        while len(self._files) >= _RUNS_TO_MERGE and self._last_are_alike(self._files):
            last = self._files[-_RUNS_TO_MERGE:]
            self._files[-_RUNS_TO_MERGE:] = [write_run(self._folder, self._merged([run for _, run in last]))]
            self._obsolete += [name for name, _ in last]
        self._write_manifest()
        # If all entries of the other parts were forgotten, a merged run equals one of its parts, and has the same name.
        for name in set(self._obsolete).difference(name for name, _ in self._files):
            (self._folder / name).unlink(missing_ok=True)
        self._obsolete = []

    def _runs(self) -> list[Run]:
        unseen = () if self._unseen is None else (self._unseen[0],)
        return [*(run for _, run in self._files), *self._memory, *unseen]

    def _forget_before(self) -> int:
        return self.newest_at - self._keep_micros

    def _merged(self, runs: list[Run]) -> Run:
        run = merged(runs, self._forget_before())
        if len(run) < sum(map(len, runs)):
            self.forgotten_before = max(self.forgotten_before, self._forget_before())
        return run

    def _levelled(self, runs: list[Run]) -> list[Run]:
        while len(runs) >= _RUNS_TO_MERGE and len(runs[-_RUNS_TO_MERGE]) < _RUNS_TO_MERGE * len(runs[-1]):
            runs = [*runs[:-_RUNS_TO_MERGE], self._merged(runs[-_RUNS_TO_MERGE:])]
        return runs

    @staticmethod
    def _last_are_alike(files: list[tuple[str, Run]]) -> bool:
        return len(files[-_RUNS_TO_MERGE][1]) < _RUNS_TO_MERGE * max(1, len(files[-1][1]))

    def _write_manifest(self) -> None:
        names = tuple(name for name, _ in self._files)
        manifest = Manifest(self._log_id, self.reached_offset, self.newest_at, self.forgotten_before, names)
        write_manifest(self._folder, manifest.text())
        self._saved_offset = self.reached_offset
        if self._snapshot is not None:
            self._snapshot.offer(manifest, [run for _, run in self._files])

    def _load(self) -> None:
        try:
            self._adopt(Manifest.parsed((self._folder / MANIFEST).read_bytes(), self._log_id, self._keep_micros))
        except FileNotFoundError:
            self._start_over()
        except (OSError, ValueError) as error:
            logger.warning("%s is unusable and is rebuilt from the log: %s", self._folder, error)
            self._start_over()

    def _adopt(self, manifest: Manifest) -> None:
        self._files = [(name, read_run(self._folder, name)) for name in manifest.runs]
        self._memory, self._obsolete = [], []
        self._saved_offset = self.reached_offset = manifest.reached_offset
        self.newest_at = max(self.newest_at, manifest.newest_at)
        self.forgotten_before = manifest.forgotten_before
        self._clear(manifest)

    def _start_over(self) -> None:
        self._files, self._memory, self._obsolete = [], [], []
        self._saved_offset = self.reached_offset = 0
        self.forgotten_before = NOTHING_FORGOTTEN
        self._clear(None)

    def _clear(self, keep: Manifest | None) -> None:
        try:
            clear(self._folder, keep)
        except OSError as error:
            logger.warning("%s cannot be cleared: %s", self._folder, error)
