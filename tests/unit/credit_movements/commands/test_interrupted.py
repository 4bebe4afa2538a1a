"""Ctrl-C while a command waits for a server: one line, the status that a shell has for it, and no file."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from credit_movements.settings import variable
from tests.acceptance.command import COMMAND, clean_environment

DECK = Path(__file__).parents[4] / "credit_movements" / "demo" / "rates.csv"
ID = "7d9f4c1e-52a7-4a3e-9d0b-6f1f0a6c9b11"


@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", ID),
        ("rates", "diff", "published", str(DECK), "--csv", "changes.csv"),
        ("rates", "diff", str(DECK), "--against", "P30D", "--adjust", "corrections.jsonl"),
        ("balance", "acme"),
    ],
)
def test_ctrl_c_is_one_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        servers = {
            variable("kafka_bootstrap_servers"): address,
            variable("schema_registry_url"): f"http://{address}",
            variable("clickhouse_dsn"): f"http://default:secret@{address}/billing",
        }
        with subprocess.Popen(
            (*COMMAND, *arguments), cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=clean_environment(**servers, PYTHONPATH=":".join(sys.path)),
        ) as command:  # fmt: skip
            # It has come to ask, and gets no answer.
            silent.settimeout(60)
            with silent.accept()[0]:
                command.send_signal(signal.SIGINT)
                printed = command.communicate(timeout=60)
    assert (command.returncode, *printed) == (130, "", "credit-movements: stopped\n")
    assert list(tmp_path.iterdir()) == []
