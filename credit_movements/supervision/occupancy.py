"""Checks, before anything starts, whether another process uses a port or a data folder."""

import errno
import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path

from kafka_io.errors import UserError

logger = logging.getLogger(__name__)

LOCK_FILE = "up.lock"
# Beside the stores, not among them: who deletes the stores must not delete the lock of a running rater.
_RATER_LOCK_FILE = "rater.lock"


class OccupiedError(UserError):
    """A port or folder cannot be had: one line that says which, and what to do."""


def check_port_is_free(port: int, option: str) -> None:
    """Raises OccupiedError, which names the command line's `option` for another port."""
    with socket.socket() as listener:
        # As servers do: connections of an earlier run that are still closing must not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError as error:
            raise OccupiedError(_port_message(port, option, error)) from error


def _port_message(port: int, option: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        why = f"{option}: port {port} of 127.0.0.1 is in use. Stop the program that listens there"
    else:
        why = f"{option}: port {port} of 127.0.0.1 cannot be used ({error.strerror})"
    return f"{why}, or choose another port with {option}."


@contextmanager
def data_folder_claimed(folder: Path, option: str = "--data-dir") -> Iterator[None]:
    """The folder, made if need be, is this process's own for the length of the block. Raises OccupiedError.

    The claim is a lock on a file. The system releases it, however the process ends.
    """
    try:
        opened = _opened(folder / LOCK_FILE)
    except OSError as error:
        raise OccupiedError(
            f"{option}: {folder} cannot be used ({error.strerror}). Choose another folder with {option}."
        ) from error
    with opened as lock:
        _claim(
            lock,
            f"{option}: {folder} is in use by another `credit-movements` (process %s). "
            f"Stop it, or choose another folder with {option}.",
        )
        yield


@contextmanager
def rater_folder_claimed(folder: Path, setting: str) -> Iterator[None]:
    """The folder is this rater's own for the length of the block: two would delete each other's files. Raises OccupiedError,
    which names the `setting` for another folder.

    A folder that cannot be written is not claimed: the rater goes on, and keeps its stores in memory.
    """
    with ExitStack() as until_the_end:
        try:
            _claim(
                until_the_end.enter_context(_opened(folder / _RATER_LOCK_FILE)),
                f"{setting}: {folder} is in use by another rater (process %s). "
                f"Give each rater a folder of its own in {setting}.",
            )
        except OSError as error:
            logger.warning(
                "%s: %s cannot be written (%s). This rater keeps what it must remember in memory, and reads it back from "
                "the log at each start: give it a folder that it may write, and no other rater has.",
                setting, folder, error.strerror,
            )  # fmt: skip
        yield


def _opened(path: Path) -> FileIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+b", buffering=0)


def _claim(lock: FileIO, refusal: str) -> None:
    """Lock the file until it is closed. Raises OccupiedError with `refusal`, which has a `%s` for the owner's process id."""
    if not _locked(lock.fileno()):
        lock.seek(0)
        raise OccupiedError(refusal % (lock.read().decode().strip() or "unknown"))
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())


def _locked(file_descriptor: int) -> bool:
    """Tries for half a second, because a process that only checks the folder holds the lock for an instant."""
    for _ in range(5):
        try:
            fcntl.flock(file_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return True
    return False
