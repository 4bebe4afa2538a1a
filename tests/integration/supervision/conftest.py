"""A journal and a folder of logs for one test alone."""

from pathlib import Path

import pytest

from tests.integration.supervision.journal import Journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    return tmp_path / "logs"
