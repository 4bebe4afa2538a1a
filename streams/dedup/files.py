"""The files of a store: its runs, each named by its checksum and never changed, and the manifest, which is written last.

What is read here may be torn, altered or of somebody else. Every function that reads raises ValueError for that, and OSError.
"""

import json
import os
import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from xxhash import xxh3_64_hexdigest

from streams.dedup.fingerprints import ALGORITHM
from streams.dedup.runs import Run

MANIFEST = "manifest.json"
_RUN_NAME = re.compile(r"(?P<checksum>[0-9a-f]{16})-(?P<entries>[0-9]{1,12})\.npy")


class Manifest(NamedTuple):
    """Which runs a store has, and that they know all movements below `reached_offset` of the log, except those that occurred
    before `forgotten_before`. `newest_at`: the time of the partition's newest record. Both times are in microseconds."""

    log_id: str
    reached_offset: int
    newest_at: int
    forgotten_before: int
    runs: tuple[str, ...]

    def text(self) -> bytes:
        return json.dumps({"algorithm": ALGORITHM, **self._asdict()}).encode()

    @classmethod
    def parsed(cls, text: bytes, log_id: str, keep_micros: int) -> "Manifest":
        """Raises ValueError, which says why it is of no use to a store of this log that keeps ids for so long."""
        try:
            told = json.loads(text)
            if (told["algorithm"], told["log_id"]) != (ALGORITHM, log_id):
                raise ValueError("it was made for another log or with another hash")
            times = int(told["reached_offset"]), int(told["newest_at"]), int(told["forgotten_before"])
            manifest = cls(log_id, *times, tuple(told["runs"]))
        except (KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"its manifest is none: {error!r}") from error
        if manifest.forgotten_before > manifest.newest_at - keep_micros:
            raise ValueError("it has forgotten ids that must be remembered now")
        for name in manifest.runs:
            entries_of(name)
        return manifest


def entries_of(name: str) -> int:
    """How many entries a run of this name has. Raises ValueError for what names no run: names come from outside, too."""
    found = _RUN_NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise ValueError(f"{name!r} is no name of a run")
    return int(found["entries"])


def name_of(run: Run) -> str:
    return f"{xxh3_64_hexdigest(np.ascontiguousarray(run.data).data)}-{len(run)}.npy"


def read_run(folder: Path, name: str) -> Run:
    """A run, mapped into memory and checked."""
    return checked_run(folder / name, name)


def checked_run(path: Path, name: str) -> Run:
    """The run of this name, in whatever file it is."""
    run = _mapped(path)
    if run.data.dtype != np.uint64 or run.data.ndim != 2 or name_of(run) != name:
        raise ValueError(f"{name} is not what was written")
    return run


def _mapped(path: Path) -> Run:
    # `np.load` would take other kinds of files too, and has errors of its own for each.
    return Run(np.lib.format.open_memmap(path, mode="r"))


def write_run(folder: Path, run: Run) -> tuple[str, Run]:
    """Its name, and the run as it is in the file."""
    folder.mkdir(parents=True, exist_ok=True)
    name = name_of(run)
    new = new_file(folder, name)
    try:
        with new.open("wb") as file:
            np.save(file, run.data)
            to_disk(file)
    except OSError:
        # The next attempt uses another name, so a torn file would only take room on a full disk.
        new.unlink(missing_ok=True)
        raise
    os.replace(new, folder / name)
    return name, _mapped(folder / name)


def write_manifest(folder: Path, text: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    new = new_file(folder, MANIFEST)
    with new.open("wb") as file:
        file.write(text)
        to_disk(file)
    os.replace(new, folder / MANIFEST)


def new_file(folder: Path, name: str) -> Path:
    """Where a file is written before it gets its name."""
    return folder / f"{name}.new"


def clear(folder: Path, keep: Manifest | None) -> None:
    """Delete all files but those of this manifest."""
    kept = set() if keep is None else {MANIFEST, *keep.runs}
    for path in folder.glob("*"):
        if path.name not in kept:
            path.unlink()


def to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
