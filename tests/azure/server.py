"""Azure's blob storage without Azure: Azurite, its maker's emulator, on Node.

It checks shared keys and signed URLs and their expiry, takes uploads in blocks, and creates on condition. Two things are not
as in Azure: it does not know `startFrom` in a listing, and a URL signed for reading may be asked with any reading method.
Its packages come by npm, once, into `.cache/azurite`. `package-lock.json` has each one's checksum and no address: npm's own
setting says where from. It is made by `npm install --omit-lockfile-registry-resolved`. Azurite 3.35 is the last one for the
Node of Debian.
"""

import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from credit_movements.embedded.ports import free_port
from credit_movements.supervision.processes import Service, running
from tests.jars import CACHE, NoJarsError, one_at_a_time

_PACKAGES = ("package.json", "package-lock.json")
_CONTAINER = "exports"
_API_VERSION = "2021-12-02"
_FETCH_SECONDS = 600


@dataclass(frozen=True)
class AzureServer:
    """A running emulator. Its account and key are those that every Azurite begins with."""

    port: int
    account: str = "devstoreaccount1"
    key: str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    url: str = f"az://{_CONTAINER}"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.account}"

    @property
    def public_endpoint(self) -> str:
        """The same emulator by another name."""
        return f"http://localhost:{self.port}/{self.account}"

    def environment(self) -> dict[str, str]:
        """What tells a process of ours where the storage is."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": self.account,
            "AZURE_STORAGE_ACCOUNT_KEY": self.key,
            "AZURE_STORAGE_ENDPOINT": self.endpoint,
        }

    def environment_with_a_wrong_key(self) -> dict[str, str]:
        return self.environment() | {"AZURE_STORAGE_ACCOUNT_KEY": "YW5vdGhlcg=="}

    def make_container(self) -> None:
        moment = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"x-ms-date": moment, "x-ms-version": _API_VERSION, "Content-Length": "0"}
        # Azure's shared key, by the documentation of its REST API: an empty line for each of eleven headers that are not sent.
        signed = "\n".join(
            ["PUT", *[""] * 11, f"x-ms-date:{moment}", f"x-ms-version:{_API_VERSION}",
             f"/{self.account}/{self.account}/{_CONTAINER}", "restype:container"]
        )  # fmt: skip
        digest = hmac.digest(base64.b64decode(self.key), signed.encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"
        request = urllib.request.Request(
            f"{self.endpoint}/{_CONTAINER}?restype=container", method="PUT", headers=headers
        )
        urllib.request.urlopen(request, timeout=10).close()


@contextmanager
def azure_server(log_dir: Path) -> Iterator[AzureServer]:
    """A new emulator with one empty container in its memory, for the length of a block. Raises NoJarsError."""
    program = fetched_program()
    server = AzureServer(free_port())
    options = ("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent")
    command = ("node", str(program), "--blobHost", "127.0.0.1", "--blobPort", str(server.port), *options)
    service = Service("azurite", command, ready=lambda: _answers(server.port), stop_seconds=0.0, ready_seconds=60.0)
    with running(service, log_dir):
        server.make_container()
        yield server


def fetched_program() -> Path:
    """The emulator's program, fetched with its packages if they are not there yet. Raises NoJarsError."""
    here = Path(__file__).parent
    version = json.loads((here / "package.json").read_text())["dependencies"]["azurite"]
    folder = CACHE / "azurite" / version
    with one_at_a_time():
        if not folder.is_dir():
            _fetch(here, folder)
    return folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


def _fetch(here: Path, folder: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NoJarsError("there is no `node` or no `npm`: install Node 18 or newer, and npm")
    new = folder.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for name in _PACKAGES:
        shutil.copy(here / name, new)
    # No package may run anything while it is installed.
    command = ["npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=new, capture_output=True, text=True, timeout=_FETCH_SECONDS)
    if done.returncode != 0:
        raise NoJarsError(f"npm could not fetch Azurite: {done.stderr.strip().splitlines()[-1:]}")
    new.rename(folder)


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
    except urllib.error.HTTPError as refusal:
        refusal.close()
    except OSError:
        return False
    return True
