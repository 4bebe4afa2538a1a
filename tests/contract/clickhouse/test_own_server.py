"""The tier that runs against a ClickHouse of your own: here it is a chDB that somebody started, as if it were one."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import clickhouse_connect
import pytest

from credit_movements.embedded.services import clickhouse_dsn, clickhouse_service
from credit_movements.supervision.processes import running
from tests.conftest import free_port

ROOT = Path(__file__).parents[3]
# One module of each kind: what is shared, what makes databases by test, and what has both forms of the tables.
SOME = (
    "tests/contract/clickhouse/test_inserts.py::TestTheMovementsTable",
    "tests/integration/sink/test_totals.py::test_an_account_without_movements_adds_up_to_nothing",
    "tests/integration/audit/test_row_hashes.py",
)


@pytest.mark.thorough
def test_the_tests_run_on_a_server_of_your_own_and_leave_nothing_there(tmp_path: Path) -> None:
    port, password = free_port(), "the-password-of-a-server"
    dsn = clickhouse_dsn(port, password)
    with (
        running(clickhouse_service(tmp_path / "data", port, password), tmp_path),
        closing(clickhouse_connect.get_client(dsn=dsn)) as client,
    ):
        before = client.query("SHOW DATABASES").result_rows
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *SOME]
        environment = {**os.environ, "CREDIT_TEST_CLICKHOUSE_DSN": dsn}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout
        # They were on this server.
        assert client.command("SELECT sum(value) FROM system.events WHERE event = 'InsertedRows'") > 1_000
        assert client.query("SHOW DATABASES").result_rows == before
