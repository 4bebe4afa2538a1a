"""A worker that was forked from the nursery is like one that Python began: see `tests.nursery`."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from credit_movements.supervision.processes import Child, Service
from tests.nursery import ForkedChild

_TELLS = "tests.unit.test_nursery"


def told(kind: type[Child], folder: Path, *arguments: str) -> tuple[Child, list[str]]:
    """A child that has told about itself and ended, and what it wrote."""
    environment = {"ONLY_HERE": "ü", "LEFT_OUT": None}
    child = kind(Service(kind.__name__, (sys.executable, "-m", _TELLS, *arguments), environment), folder)
    child.wait_or_kill(30.0)
    return child, child.log_text().splitlines()


@pytest.mark.parametrize("end", ["exit", "raise", "kill"])
def test_it_is_what_python_would_have_begun(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEFT_OUT", "a secret")
    (begun, by_python), (forked, by_fork) = (told(kind, tmp_path, end, "-x y") for kind in (Child, ForkedChild))
    assert json.loads(by_fork[0]) == json.loads(by_python[0])
    # Of a trace, the way to the module is another.
    assert by_fork[-1:] == by_python[-1:]
    assert forked.how_it_ended() == begun.how_it_ended()
    assert forked.how_it_ended() == {"exit": "exit status 3", "raise": "exit status 1", "kill": "signal SIGKILL"}[end]


def _tell(end: str) -> None:
    parent = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    about = {
        "arguments": sys.argv, "only here": os.environ.get("ONLY_HERE"), "left out": os.environ.get("LEFT_OUT"),
        "leads its session": os.getsid(0) == os.getpid() == os.getpgid(0), "parent": parent.decode(errors="replace"),
        "folder": os.getcwd(), "input": os.readlink("/proc/self/fd/0"), "path": sys.path[0], "name": __name__,
        "on interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    }  # fmt: skip
    print(json.dumps(about), flush=True)
    match end:
        case "exit":
            sys.exit(3)
        case "raise":
            raise LookupError("as it is")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _tell(sys.argv[1])
