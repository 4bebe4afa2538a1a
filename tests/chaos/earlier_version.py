"""The code of an earlier version, taken from the repository's history: what a new version has to get on with."""

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.chaos.workers import with_code_of

ROOT = Path(__file__).parents[2]
# Before workers could be told a prefix. Move it on when a version is released.
EARLIER = "a15d66a02626"


def earlier_version(folder: Path) -> Path:
    """Write its code into the folder. Where the clone has no such history, the test is skipped, and says so."""
    packed = subprocess.run(["git", "archive", EARLIER], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode != 0:
        pytest.skip(
            f"NOT TESTED BESIDE AN EARLIER VERSION: this clone has no commit {EARLIER}: `git fetch --unshallow`"
        )
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    _assert_it_is_what_runs(folder)
    return folder


def _assert_it_is_what_runs(folder: Path) -> None:
    command = [sys.executable, "-c", "import streams, sinks, exporter; print(streams, sinks, exporter)"]
    said = subprocess.run(command, env=os.environ | with_code_of(folder), capture_output=True, check=True, text=True)
    assert said.stdout.count(str(folder)) == 3, said.stdout
