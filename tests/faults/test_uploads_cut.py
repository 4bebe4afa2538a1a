"""The network to a cloud goes away in the middle of an upload: nothing appears, and the next attempt is whole."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from exporter.storage.objects import StorageUnavailableError
from tests.faults.proxy import Proxy, proxied
from tests.s3.storages import CLOUDS, CloudServer, in_cloud

PART = os.urandom(6_000_000)


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> CloudServer:
    server: CloudServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def network(cloud: CloudServer) -> Iterator[Proxy]:
    with proxied(cloud.port) as network:
        yield network


def test_an_upload_that_is_cut_in_its_middle_leaves_nothing(
    cloud: CloudServer, network: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = in_cloud(replace(cloud, port=network.port), monkeypatch)

    with ExitStack() as cut:

        def pieces() -> Iterator[bytes]:
            yield PART
            yield PART
            cut.enter_context(network.away())
            for _ in range(20):
                yield PART

        with pytest.raises(StorageUnavailableError) as refused:
            storage.put_stream("files/x.csv", pieces())
    assert len(str(refused.value).splitlines()) == 1
    assert storage.find("files/x.csv") is None
    assert list(storage.list_objects("files")) == []
    stored = storage.put_stream("files/x.csv", [PART, PART])
    assert storage.size_bytes("files/x.csv") == stored.size_bytes == 2 * len(PART)
