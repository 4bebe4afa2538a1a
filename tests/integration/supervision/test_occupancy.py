"""A port and a data folder have one owner."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from credit_movements.supervision.occupancy import OccupiedError, check_port_is_free, data_folder_claimed
from tests.conftest import free_port


class TestOccupancy:
    def test_a_free_port_is_fine(self) -> None:
        check_port_is_free(free_port(), "--kafka-port")

    def test_a_port_in_use_is_one_line_that_says_what_to_do(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            with pytest.raises(OccupiedError) as occupied:
                check_port_is_free(port, "--kafka-port")
        assert str(occupied.value) == (
            f"--kafka-port: port {port} of 127.0.0.1 is in use. "
            "Stop the program that listens there, or choose another port with --kafka-port."
        )

    def test_connections_of_an_earlier_run_are_no_obstacle(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                listener.accept()[0].close()
        check_port_is_free(port, "--kafka-port")

    def test_a_data_folder_has_one_owner(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        with data_folder_claimed(folder):
            script = (
                "from pathlib import Path; from credit_movements.supervision.occupancy import *\n"
                f"with data_folder_claimed(Path({str(folder)!r})): pass"
            )
            other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
            assert other.returncode == 1
            assert (
                f"--data-dir: {folder} is in use by another `credit-movements` (process {os.getpid()}). "
                "Stop it, or choose another folder with --data-dir."
            ) in other.stderr
        with data_folder_claimed(folder):
            pass
