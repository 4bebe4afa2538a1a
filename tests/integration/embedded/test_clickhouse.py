"""The embedded ClickHouse as a process: its data, its end, and how much memory it takes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError

from credit_movements.embedded.services import clickhouse_dsn, clickhouse_service
from credit_movements.supervision.processes import Child, running
from tests.conftest import free_port

PASSWORD = "a-password-for-tests"
MEBIBYTE = 1024 * 1024


@contextmanager
def serving(tmp_path: Path) -> Iterator[tuple[Child, Client]]:
    """A server on the folder `data`, and a client of it."""
    port = free_port()
    with (
        running(clickhouse_service(tmp_path / "data", port, PASSWORD), tmp_path / "logs") as child,
        closing(clickhouse_connect.get_client(dsn=clickhouse_dsn(port, PASSWORD))) as client,
    ):
        yield child, client


def started(tmp_path: Path, port: int, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """The server's command, run to its end."""
    service = clickhouse_service(tmp_path / "data", port, password)
    environment = {**os.environ, **{name: value or "" for name, value in service.environment.items()}}
    return subprocess.run(service.command, env=environment, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_inserted_is_there_after_a_restart(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as (child, client):
        client.command("CREATE TABLE kept (number UInt64) ENGINE = MergeTree ORDER BY number")
        client.insert("kept", [[1], [2]], column_names=["number"])
        os.kill(child.process_id, number)
        assert child.wait_or_kill(5)
    with serving(tmp_path) as (_, client):
        assert client.command("SELECT sum(number) FROM kept") == 3


def test_a_data_folder_has_one_server(tmp_path: Path) -> None:
    with serving(tmp_path):
        second = started(tmp_path, free_port())
    assert second.returncode == 1
    last_line = second.stderr.splitlines()[-1]
    assert last_line.startswith(
        f"clickhouse: cannot open {tmp_path / 'data'} (is another server at work on it?): Code: "
    )


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        assert (
            started(tmp_path, port).stderr == f"clickhouse: cannot listen on 127.0.0.1:{port}: Address already in use\n"
        )


def test_without_a_password_it_does_not_start(tmp_path: Path) -> None:
    refused = started(tmp_path, free_port(), password="")
    assert refused.returncode == 2
    assert "CREDIT_EMBEDDED_CLICKHOUSE_PASSWORD" in refused.stderr


def test_sigterm_lets_a_statement_finish(tmp_path: Path) -> None:
    with serving(tmp_path) as (child, client):
        client.command("CREATE TABLE slow (number UInt64) ENGINE = MergeTree ORDER BY number")
        statement = "INSERT INTO slow SELECT number + sleepEachRow(0.3) FROM numbers(4) SETTINGS max_block_size = 1"
        insert = threading.Thread(target=client.command, args=(statement,))
        insert.start()
        time.sleep(0.3)
        child.ask_to_stop()
        insert.join()
        assert child.wait_or_kill(3)
        assert child.exit_status == 0
    with serving(tmp_path) as (_, client):
        assert client.command("SELECT count() FROM slow") == 4


def test_sigterm_ends_within_three_seconds_whatever_is_at_work(tmp_path: Path) -> None:
    with serving(tmp_path) as (child, client):

        def wait_for_ever() -> None:
            with pytest.raises(OperationalError):
                client.query("SELECT sleepEachRow(1) FROM numbers(60) SETTINGS max_block_size = 1")

        query = threading.Thread(target=wait_for_ever)
        query.start()
        time.sleep(0.3)
        began = time.monotonic()
        child.ask_to_stop()
        assert child.wait_or_kill(3)
        assert time.monotonic() - began < 3
        query.join()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_long_result_takes_little_memory(tmp_path: Path) -> None:
    """However slowly it is read: the engine works no further than a block ahead of its reader."""
    with serving(tmp_path) as (child, client):
        client.command("CREATE TABLE wide (number UInt64, text String) ENGINE = ReplacingMergeTree ORDER BY number")
        client.command("INSERT INTO wide SELECT number, repeat('x', 500) FROM numbers(1000000)")
        query = "SELECT * FROM wide FINAL ORDER BY number"
        client.query(f"{query} LIMIT 1")
        before = resident_bytes(child.process_id)
        highest, rows = before, 0
        with client.query_arrow_stream(query) as batches:
            for number, batch in enumerate(batches):
                rows += batch.num_rows
                if number % 20 == 0:
                    time.sleep(0.05)
                    highest = max(highest, resident_bytes(child.process_id))
    assert rows == 1_000_000
    assert highest - before < 200 * MEBIBYTE


def resident_bytes(process_id: int) -> int:
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
