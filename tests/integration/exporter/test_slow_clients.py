"""Thousands of clients that send half a request: exports and downloads go on, and the clients go."""

import os
import resource
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.exporter.exporter_stack import HEADER, Stack, exporter_stack, wait_for

CLIENTS = 3_000
# What a shell allows mostly. Before there were limits, that many clients stopped the exporter.
FILES = 1_024
HALF = b"GET /downloads/x HTTP/1.1\r\nHost: x\r\nX-Half: "


@pytest.fixture
def stack(clickhouse: str, registry: str, tmp_path: Path) -> Iterator[Stack]:
    with exporter_stack(clickhouse, registry, tmp_path) as stack:
        yield stack


@pytest.fixture
def exporter(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    process = stack.start()
    try:
        # It has not begun to read the limit yet: Python itself starts first.
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        stack.wait_until_ready(process)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may open a file for each client."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 2 * CLIENTS), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def open_files(process: subprocess.Popen[bytes]) -> int:
    return len(os.listdir(f"/proc/{process.pid}/fd"))


@pytest.mark.usefixtures("many_files")
def test_half_sent_requests_stop_no_export_and_no_download(stack: Stack, exporter: subprocess.Popen[bytes]) -> None:
    account = str(uuid.uuid4())
    stack.movements(account, [{}] * 1000)
    at_rest = open_files(exporter)
    with ExitStack() as clients:
        for _ in range(CLIENTS):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", stack.port), timeout=10))
            client.sendall(HALF)
        notification = stack.wait_for_notification(stack.ask(account))
        assert open_files(exporter) <= FILES // 2
        status, _, body = stack.download(notification)
        assert (status, len(body)) == (200, notification["size_bytes"])
        assert body.startswith(HEADER.encode())
        assert stack.get("/readyz")[0] == 200
        wait_for(lambda: open_files(exporter) <= at_rest + 10, 30)
