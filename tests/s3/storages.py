"""Each kind of storage that runs here, for tests that hold for all of them."""

import uuid

import pytest

from exporter.storage.objects import ExportStorage
from tests.s3.server import S3Server


def storage_of_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, file_url: str) -> ExportStorage:
    """The empty storage that the fixture's parameter names: `memory`, `file` or `s3`."""
    if request.param == "memory":
        return ExportStorage.open("memory:///")
    if request.param == "file":
        return ExportStorage.open(file_url)
    server: S3Server = request.getfixturevalue("s3")
    return on_s3(server, monkeypatch)


def on_s3(server: S3Server, monkeypatch: pytest.MonkeyPatch, public_endpoint: str | None = None) -> ExportStorage:
    """A folder of its own on the server."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return ExportStorage.open(f"{server.url}/{uuid.uuid4()}", public_endpoint)
