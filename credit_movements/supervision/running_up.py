"""How the other commands find a running `up`: by a file in its data folder."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from credit_movements.supervision.occupancy import LOCK_FILE

_FILE = "up.json"


@contextmanager
def announced(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Tell other commands the settings (CREDIT_ variables, passwords among them) of this `up` while the block runs.

    The file is for this user's eyes alone.
    """
    path = folder / _FILE
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(dict(environment), file, indent=2)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running_up(folder: Path) -> dict[str, str]:
    """The settings of the `up` that runs with this data folder; empty where none runs."""
    try:
        with (folder / LOCK_FILE).open() as lock:
            if _is_free(lock.fileno()):
                return {}
        settings: dict[str, str] = json.loads((folder / _FILE).read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return {}
    return settings


def _is_free(lock: int) -> bool:
    """Whether no `up` holds the lock of the data folder. Then the file is left over from an `up` that was killed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True
