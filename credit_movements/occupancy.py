"""Whether a port or a data folder is somebody else's already, asked before anything starts."""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_FILE = "up.lock"


class OccupiedError(Exception):
    """A port or folder cannot be had: one line that says which, and what to do."""


def check_port_is_free(port: int, option: str) -> None:
    """Raises OccupiedError, which names the command line's `option` for another port."""
    with socket.socket() as listener:
        # As servers do it: connections of an earlier run that are still closing are no obstacle.
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

    The claim is a lock on a file, which the system takes back whatever way the process ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("a+") as lock:
        if not _locked(lock.fileno()):
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise OccupiedError(
                f"{option}: {folder} is in use by another `credit-movements` (process {owner}). "
                f"Stop it, or choose another folder with {option}."
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _locked(file_descriptor: int) -> bool:
    """Tries for half a second: who only looks whether the folder is in use holds the lock for an instant."""
    for _ in range(5):
        try:
            fcntl.flock(file_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return True
    return False
