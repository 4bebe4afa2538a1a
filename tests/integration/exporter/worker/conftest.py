"""One exporter with its servers for all tests of this folder. Each test uses accounts of its own."""

import subprocess
import uuid
from collections.abc import Iterator

import pytest

from tests.integration.exporter.exporter_stack import Stack, exporter_stack


@pytest.fixture(scope="package")
def stack(clickhouse: str, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One for all tests of this folder: they use accounts of their own."""
    with exporter_stack(clickhouse, registry, tmp_path_factory.mktemp("exporter")) as stack:
        yield stack


@pytest.fixture(scope="package", autouse=True)
def exporter(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    with stack.exporter() as process:
        yield process


@pytest.fixture
def account() -> str:
    return f"account {uuid.uuid4()} ü/'\""
