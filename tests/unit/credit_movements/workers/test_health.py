"""A worker's page where its port cannot be had, and where clients take their time."""

import socket
import threading
import time
import urllib.request
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry

from credit_movements.supervision.occupancy import OccupiedError
from credit_movements.workers.health import health_page
from tests.integration.stack import eventually


def test_a_port_that_is_taken_is_told_in_one_line_that_names_the_setting() -> None:
    with health_page("127.0.0.1", 0, "SETTING", CollectorRegistry(), lambda: None) as port:
        second = health_page("127.0.0.1", port, "SETTING", CollectorRegistry(), lambda: None)
        with pytest.raises(OccupiedError) as refused:
            second.__enter__()
    assert str(refused.value) == (
        f"SETTING: cannot listen on 127.0.0.1:{port} (Address already in use). "
        "Choose another port with SETTING; 0 takes any that is free."
    )


HALF = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: "


def healthz(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
        assert answer.headers["Server"] == "credit-movements"
        return int(answer.status)


def test_clients_that_send_half_a_request_hold_few_threads_and_stop_no_probe() -> None:
    threads = threading.active_count()
    with (
        health_page("127.0.0.1", 0, "SETTING", CollectorRegistry(), lambda: None) as port,
        ExitStack() as clients,
    ):
        for _ in range(200):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            client.sendall(HALF)
        assert healthz(port) == 200
        eventually(lambda: threading.active_count() <= threads + 1 + 32)


def test_a_connection_lasts_no_longer_than_its_time_however_it_drops_in() -> None:
    with (
        health_page("127.0.0.1", 0, "SETTING", CollectorRegistry(), lambda: None, connection_seconds=0.5) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
    ):
        began = time.monotonic()
        client.sendall(HALF)
        while time.monotonic() < began + 10:
            try:
                client.sendall(b"x")
            except OSError:
                break
            time.sleep(0.1)
        assert time.monotonic() < began + 10
        assert healthz(port) == 200
