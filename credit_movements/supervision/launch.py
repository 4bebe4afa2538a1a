"""Becomes a command that must not outlive the process which asked for it.

`launch.py PARENT_ID COMMAND...`: asks Linux to SIGKILL this process when its parent dies, then becomes the command. A
supervisor that is killed with SIGKILL cannot end its children; without this they would keep the ports and the data
folder. Other systems have no such request, and there the command simply runs.

It is run as a file, by an isolated interpreter (`tethered`), so it imports nothing of ours and costs some 20 ms.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` only as long as this process lives.

    Linux ties the child to the *thread* that starts it: start it from one that lives as long as the process.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def _die_with_parent(parent_id: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_id:
        sys.exit("the parent process ended before its child began")


def main(arguments: Sequence[str]) -> None:
    if sys.platform == "linux":
        _die_with_parent(int(arguments[0]))
    try:
        os.execvp(arguments[1], list(arguments[1:]))
    except OSError as error:
        sys.exit(f"cannot run {arguments[1]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
