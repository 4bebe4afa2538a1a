"""An S3 server without Docker: S3Proxy on a folder.

It checks signatures and their expiry, takes uploads in parts, and creates on condition (`If-None-Match: *`). A start takes
some 2 s.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from credit_movements.embedded.ports import free_port
from credit_movements.supervision.processes import Service, running
from tests.jars import CACHE, JVM, fetched

_POM = Path(__file__).with_name("pom.xml")
_BUCKET = "exports"
_QUIET = '<configuration><root level="WARN"/></configuration>'


@dataclass(frozen=True)
class S3Server:
    """A running server, and the key to it."""

    port: int
    access_key_id: str = "credit-movements"
    secret_access_key: str = "a-secret-for-tests"
    url: str = f"s3://{_BUCKET}"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def public_endpoint(self) -> str:
        """The same server by another name: what was signed for the one is refused at the other."""
        return f"http://localhost:{self.port}"

    def environment(self) -> dict[str, str]:
        """What tells a process of ours where the storage is, as docker-compose.yml does."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
        }

    def environment_with_a_wrong_key(self) -> dict[str, str]:
        return self.environment() | {"AWS_SECRET_ACCESS_KEY": "another"}


def fetched_jars() -> Path:
    """The folder with the server's jars, fetched if they are not there yet. Raises NoJarsError."""
    (version,) = re.findall(r"<artifactId>s3proxy</artifactId>\s*<version>(.+)</version>", _POM.read_text())
    return fetched(_POM, CACHE / "s3proxy" / str(version))


@contextmanager
def s3_server(folder: Path, log_dir: Path) -> Iterator[S3Server]:
    """A new server with one empty bucket, for the length of a block. Raises NoJarsError."""
    jars = fetched_jars()
    server = S3Server(free_port())
    (folder / "data" / _BUCKET).mkdir(parents=True)
    properties, logging = folder / "s3proxy.properties", folder / "logback.xml"
    properties.write_text("".join(f"{name}={value}\n" for name, value in _properties(server, folder).items()))
    logging.write_text(_QUIET)
    options = (*JVM, "-Xmx256m", f"-Dlogback.configurationFile={logging}")
    command = ("java", *options, "-cp", f"{jars}/*", "org.gaul.s3proxy.Main", "--properties", str(properties))
    service = Service("s3", command, ready=lambda: _listens(server.port), stop_seconds=0.0, ready_seconds=60.0)
    with running(service, log_dir):
        yield server


def _properties(server: S3Server, folder: Path) -> dict[str, str | Path]:
    return {
        "s3proxy.endpoint": server.endpoint,
        "s3proxy.authorization": "aws-v2-or-v4",
        "s3proxy.identity": server.access_key_id,
        "s3proxy.credential": server.secret_access_key,
        # It does not know the checksum that a deletion of several objects comes with.
        "s3proxy.ignore-unknown-headers": "true",
        "jclouds.provider": "filesystem-nio2",
        "jclouds.filesystem.basedir": folder / "data",
    }


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
