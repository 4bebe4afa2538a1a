"""The servers around an exporter, for all tests of this folder. Each test starts exporters of its own."""

import uuid
from collections.abc import Iterator

import pytest

from tests.integration.exporter.exporter_stack import Stack, exporter_stack


@pytest.fixture(scope="package")
def stack(clickhouse: str, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with exporter_stack(clickhouse, registry, tmp_path_factory.mktemp("exporter_crashes")) as stack:
        yield stack


@pytest.fixture
def account() -> str:
    return f"account-{uuid.uuid4()}"
