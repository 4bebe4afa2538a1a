"""A schema registry as production has it, without Docker: Apicurio Registry, which keeps what it knows in memory.

It comes from Maven Central, once, into `.cache/apicurio`. A start takes some 5 s. Its Confluent API has a path of its own.
"""

import re
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from credit_movements.embedded.ports import free_port
from credit_movements.supervision.processes import Service, running
from tests.jars import CACHE, JVM, fetched, one_at_a_time

_POM = Path(__file__).with_name("pom.xml")
_CONFLUENT_API = "/apis/ccompat/v7"


def fetched_program() -> Path:
    """The program's jar, fetched and unpacked if it is not there yet. Raises NoJarsError."""
    (version,) = re.findall(
        r"<artifactId>apicurio-registry-app</artifactId>\s*<version>(.+)</version>", _POM.read_text()
    )
    packed = fetched(_POM, CACHE / "apicurio" / str(version))
    folder = packed.with_suffix(".unpacked")
    with one_at_a_time():
        if not folder.is_dir():
            new = folder.with_suffix(".new")
            with tarfile.open(next(packed.glob("*.tar.gz"))) as archive:
                archive.extractall(new, filter="data")
            new.rename(folder)
    return next(folder.glob("*-runner.jar"))


def registry_url(port: int) -> str:
    """Where its Confluent API is, as our setting takes it."""
    return f"http://127.0.0.1:{port}{_CONFLUENT_API}"


@contextmanager
def apicurio_registry(log_dir: Path, port: int = 0) -> Iterator[int]:
    """A new registry without a schema, for the length of a block; gives its port. Raises NoJarsError."""
    program = fetched_program()
    port = port or free_port()
    options = (*JVM, "-Xmx256m", "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}")
    command = ("java", *options, "-jar", str(program))
    service = Service("apicurio", command, ready=lambda: _answers(port), stop_seconds=0.0, ready_seconds=90.0)
    with running(service, log_dir):
        yield port


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"{registry_url(port)}/subjects", timeout=1).close()
    except OSError:
        return False
    return True
