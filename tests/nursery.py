"""Workers that begin with their libraries loaded: a process that has imported them waits, and forks for each that is wanted.

From there on such a worker is what `python -m MODULE` makes: a session, streams, variables, clients and an end of its own, and
a child of the process that asked for it. It saves the import of some 1,800 modules, which takes longer than most tests let a
worker live. What is about a start, or about what a person runs, begins with Python itself all the same: the acceptance tests,
random kills, a broker's restart, the three brokers, the rolling upgrade.
"""

import ctypes
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from credit_movements.supervision.launch import tethered
from credit_movements.supervision.processes import Child

_LOADED = ("commands.main", "workers.rater", "workers.sink", "workers.exporter")
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_ROOT = Path(__file__).parents[1]
_MOST_BYTES = 150_000
_POLL_SECONDS = 0.0005


def begun(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], log: BinaryIO, errors: BinaryIO | None = None
) -> "subprocess.Popen[bytes]":
    """`python -m module arguments`, with these variables alone, which writes to these files and dies with this process."""
    errors = errors or log
    if sys.platform == "linux":
        return _Forked(module, arguments, environment, (log, errors))
    command = tethered((sys.executable, "-m", module, *arguments))
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=errors, start_new_session=True
    )


class ForkedChild(Child):
    """A child whose command is `python -m MODULE ARGUMENTS...`."""

    def _begun(self, environment: dict[str, str], log: BinaryIO) -> "subprocess.Popen[bytes]":
        _python, _m, module, *arguments = self.service.command
        return begun(module, arguments, environment, log)


class _Forked(subprocess.Popen[bytes]):
    """Popen knows how to wait for a child and to end it; this one is begun in another way."""

    def __init__(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], files: Sequence[BinaryIO]
    ) -> None:
        self._wanted = {"module": module, "arguments": list(arguments), "environment": dict(environment)}
        self._files = files
        super().__init__((sys.executable, "-m", module, *arguments))

    def _execute_child(self, *_: Any) -> None:
        self.pid = _nursery().fork(self._wanted, [file.fileno() for file in self._files])
        self._child_created = True


class _Nursery:
    """The process that forks, as seen from here. It ends with this process."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = tethered((sys.executable, "-m", __name__, str(theirs.fileno())))
            self._process = subprocess.Popen(command, cwd=_ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def fork(self, wanted: dict[str, Any], files: Sequence[int]) -> int:
        """The process id of a new worker."""
        asked = json.dumps({**wanted, "parent": os.getpid(), "folder": os.getcwd()}).encode()
        assert len(asked) < _MOST_BYTES
        with _orphans_adopted():
            socket.send_fds(self._socket, [asked], files)
            return int(self._socket.recv(_MOST_BYTES) or self._process.wait())


@cache
def _nursery() -> _Nursery:
    return _Nursery()


@contextmanager
def _orphans_adopted() -> Iterator[None]:
    """Whose parent ends, of all that this process has begun, becomes its own child."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        _prctl(_PR_SET_CHILD_SUBREAPER, 0)


def _prctl(what: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(what, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _serve(asked: socket.socket) -> dict[str, Any] | None:
    """Forks for each that is asked for. Returns in each of them what it shall be, and None in the end."""
    while True:
        text, files, *_ = socket.recv_fds(asked, _MOST_BYTES, 2)
        if not text:
            return None
        if os.fork() == 0:
            # Whose child has no parent any more when this one has ended: so the asking process gets it.
            between = os.getpid()
            if os.fork() != 0:
                os._exit(0)
            wanted: dict[str, Any] = json.loads(text)
            _leave(between, wanted["parent"], files)
            asked.send(str(os.getpid()).encode())
            return wanted
        for file in files:
            os.close(file)
        os.wait()


def _leave(between: int, parent: int, files: Sequence[int]) -> None:
    """Become a child of `parent`, in a session of its own, that writes to these two files."""
    while os.getppid() == between:
        time.sleep(_POLL_SECONDS)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent process ended before its child began")
    os.setsid()
    for number, file in enumerate(files, 1):
        os.dup2(file, number)
        os.close(file)


def _main(descriptor: int) -> None:
    for name in _LOADED:
        import_module(f"credit_movements.{name}")
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=descriptor) as asked:
        wanted = _serve(asked)
    if wanted is not None:
        os.environ.clear()
        os.environ.update(wanted["environment"])
        os.chdir(wanted["folder"])
        sys.path[0], sys.argv[1:] = wanted["folder"], wanted["arguments"]
        runpy.run_module(wanted["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
