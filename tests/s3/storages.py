"""Each kind of storage that runs here, for tests that hold for all of them."""

import uuid
from typing import Final

import pytest

from exporter.storage.objects import ExportStorage
from tests.azure.server import AzureServer
from tests.google.server import GoogleServer
from tests.s3.server import S3Server

# Those that can be reached at an address of one's own.
WITH_ENDPOINT: Final = ["s3", "azure"]
CLOUDS: Final = [*WITH_ENDPOINT, "google"]
KINDS: Final = ["memory", "file", *CLOUDS]
CloudServer = S3Server | AzureServer | GoogleServer


def storage_of_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, file_url: str) -> ExportStorage:
    """The empty storage that the fixture's parameter names, of KINDS."""
    if request.param == "memory":
        return ExportStorage.open("memory:///")
    if request.param == "file":
        return ExportStorage.open(file_url)
    return in_cloud(request.getfixturevalue(request.param), monkeypatch)


def in_cloud(server: CloudServer, monkeypatch: pytest.MonkeyPatch, public_endpoint: str | None = None) -> ExportStorage:
    """A folder of its own on the server."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return ExportStorage.open(f"{server.url}/{uuid.uuid4()}", public_endpoint)
