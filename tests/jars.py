"""Servers in Java for the tests, without Docker: their jars from Maven Central, fetched once into `.cache` of the project."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[1] / ".cache"
# Quick to start, and small.
JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_FETCH_SECONDS = 600


class NoJarsError(Exception):
    """A server cannot be had on this machine: one line that says what is missing."""


def fetched(pom: Path, folder: Path) -> Path:
    """`folder`, with the jars that the pom names; fetched if they are not there yet. Raises NoJarsError."""
    if shutil.which("java") is None:
        raise NoJarsError("there is no `java`: install a JVM of version 17 or newer")
    with one_at_a_time():
        if not folder.is_dir():
            _fetch(pom, folder)
    return folder


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Tests run in several processes, and Maven's own cache is for one."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "fetching").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(pom: Path, folder: Path) -> None:
    if shutil.which("mvn") is None:
        raise NoJarsError("there is no `mvn` to fetch its jars: install Maven")
    new = folder.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={new}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS)
    if done.returncode != 0:
        reason = next((line for line in done.stdout.splitlines() if "ERROR" in line), done.stderr.strip())
        raise NoJarsError(f"Maven could not fetch its jars: {reason}")
    new.rename(folder)


def not_tested_on(server: str, reason: str) -> None:
    """Skip the test, or fail it where CI runs: there the server has to be."""
    line = f"NOT TESTED ON {server.upper()}: {reason}"
    if os.environ.get("CI") == "true":
        pytest.fail(line, pytrace=False)
    pytest.skip(line)
