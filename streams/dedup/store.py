"""The deduplication store of one partition, in memory and on disk. It is a projection of `credit-movements`: it can be rebuilt.

New entries gather in memory in sorted runs, merged eight by eight. When they are many, the store writes one run of them all to
a file, together with the offset of `credit-movements` up to which the files know all movements. After a crash the rest is read
from the log again. A folder that is lost, torn or of another log is thrown away, and all of it is read again.

The store forgets an id only when an event of that age would be refused: when it occurred more than `keep` before the newest
record of its partition. It notes the time before which it may have forgotten ids (`forgotten_before`), and the rater refuses
events from before that time. So the rater never charges an event whose id the store may have forgotten, even where the rater no
longer knows the time of the newest record.

A disk that cannot be written does not stop the rater: the entries stay in memory, and the store tries again after growing
pauses. The pauses are counted in entries, since nothing here knows a clock.
"""

import json
import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_hexdigest

from streams.dedup.bloom import BloomFilter
from streams.dedup.fingerprints import ALGORITHM, Hashes
from streams.dedup.runs import Run, look_up, merged
from streams.events.sorted_keys import Ints

logger = logging.getLogger(__name__)

_RUNS_TO_MERGE = 8
_MANIFEST = "manifest.json"
MAX_ENTRIES_IN_MEMORY = 250_000
# Before every time that can be stored.
NOTHING_FORGOTTEN = -(2**62)
# The longest pause between two attempts to write, in units of the entries that memory holds otherwise.
_LONGEST_PAUSE = 16


class DedupStore:
    """The ids of one partition's movements, each with the hash of its content.

    The store knows every movement below `reached_offset` of `credit-movements`, except those that occurred before
    `forgotten_before`. `newest_at` is the time of the partition's newest record. Both times are in microseconds.
    """

    def __init__(self, folder: Path, log_id: str, keep: timedelta, max_in_memory: int = MAX_ENTRIES_IN_MEMORY) -> None:
        self._folder = folder
        self._log_id = log_id
        self._keep_micros = keep // timedelta(microseconds=1)
        self._max_in_memory = max_in_memory
        self._pause = max_in_memory
        self._save_at = max_in_memory
        self._memory: list[Run] = []
        self._files: list[tuple[str, Run]] = []
        self._obsolete: list[str] = []
        self._saved_offset = 0
        self.reached_offset = 0
        self.newest_at = 0
        self.forgotten_before = NOTHING_FORGOTTEN
        self._load()
        self._filter = BloomFilter.of(self._runs())

    def __len__(self) -> int:
        return sum(map(len, self._runs()))

    def look_up(self, ids: Hashes) -> tuple[npt.NDArray[np.bool_], Hashes]:
        """For each id hash whether a movement has it, and the content hash of that movement."""
        known = np.zeros(len(ids), dtype=bool)
        content = np.zeros(len(ids), dtype=np.uint64)
        rows = np.flatnonzero(self._filter.may_hold(ids))
        known[rows], content[rows] = look_up(self._runs(), ids[rows])
        return known, content

    def add(self, ids: Hashes, content: Hashes, occurred_at: Ints, reached_offset: int) -> None:
        """Add movements that are committed to the log. The store then knows all below `reached_offset`."""
        self.reached_offset = reached_offset
        if len(ids) == 0:
            return
        run = Run.of(ids, content, occurred_at)
        self._memory = self._levelled([*self._memory, run])
        self._filter.add(run)
        if self._filter.is_full:
            self._filter = BloomFilter.of(self._runs())
        if sum(map(len, self._memory)) >= self._save_at:
            self.save()

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
            self._files.append(self._written(self._merged(self._memory)))
            self._memory = []
        if self.reached_offset == self._saved_offset:
            return
        while len(self._files) >= _RUNS_TO_MERGE and self._last_are_alike(self._files):
            last = self._files[-_RUNS_TO_MERGE:]
            self._files[-_RUNS_TO_MERGE:] = [self._written(self._merged([run for _, run in last]))]
            self._obsolete += [name for name, _ in last]
        self._write_manifest()
        # If all entries of the other parts were forgotten, a merged run equals one of its parts, and has the same name.
        for name in set(self._obsolete).difference(name for name, _ in self._files):
            (self._folder / name).unlink(missing_ok=True)
        self._obsolete = []

    def _runs(self) -> list[Run]:
        return [*(run for _, run in self._files), *self._memory]

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

    def _written(self, run: Run) -> tuple[str, Run]:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{_checksum(run)}-{len(run)}.npy"
        new = self._folder / f"{name}.new"
        try:
            with new.open("wb") as file:
                np.save(file, run.data)
                _to_disk(file.fileno())
        except OSError:
            # The next attempt uses another name, so a torn file would only take room on a full disk.
            new.unlink(missing_ok=True)
            raise
        os.replace(new, self._folder / name)
        return name, self._mapped(name)

    def _mapped(self, name: str) -> Run:
        return Run(np.load(self._folder / name, mmap_mode="r"))

    def _write_manifest(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        manifest = {
            "algorithm": ALGORITHM,
            "log_id": self._log_id,
            "reached_offset": self.reached_offset,
            "newest_at": self.newest_at,
            "forgotten_before": self.forgotten_before,
            "runs": [name for name, _ in self._files],
        }
        new = self._folder / f"{_MANIFEST}.new"
        with new.open("w") as file:
            json.dump(manifest, file)
            file.flush()
            _to_disk(file.fileno())
        os.replace(new, self._folder / _MANIFEST)
        self._saved_offset = self.reached_offset

    def _load(self) -> None:
        try:
            manifest = json.loads((self._folder / _MANIFEST).read_text())
            self._adopt(manifest)
        except FileNotFoundError:
            self._start_over()
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s is unusable and is rebuilt from the log: %s", self._folder, error)
            self._start_over()

    def _adopt(self, manifest: dict[str, Any]) -> None:
        if (manifest["algorithm"], manifest["log_id"]) != (ALGORITHM, self._log_id):
            raise ValueError("it was made for another log or with another hash")
        newest_at, forgotten_before = int(manifest["newest_at"]), int(manifest["forgotten_before"])
        if forgotten_before > newest_at - self._keep_micros:
            raise ValueError("it has forgotten ids that must be remembered now")
        files = []
        for name in manifest["runs"]:
            run = self._mapped(name)
            if run.data.dtype != np.uint64 or run.data.ndim != 2 or not name.startswith(_checksum(run)):
                raise ValueError(f"{name} is not what was written")
            files.append((name, run))
        self._files = files
        self._saved_offset = self.reached_offset = int(manifest["reached_offset"])
        self.newest_at, self.forgotten_before = newest_at, forgotten_before

    def _start_over(self) -> None:
        try:
            for leftover in self._folder.glob("*"):
                leftover.unlink()
        except OSError as error:
            logger.warning("%s cannot be cleared: %s", self._folder, error)


def _checksum(run: Run) -> str:
    return xxh3_64_hexdigest(np.ascontiguousarray(run.data).data)


def _to_disk(file_number: int) -> None:
    os.fsync(file_number)
