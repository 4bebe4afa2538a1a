"""The embedded broker as a process. What it does as a Kafka stands in tests/contract/kafka."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from credit_movements.embedded.broker import broker_answers, broker_service
from credit_movements.supervision.processes import running
from tests.conftest import free_port


def test_is_ready_when_it_answers_a_metadata_request(broker: str) -> None:
    assert broker_answers(broker)


def test_where_nobody_listens_no_broker_answers() -> None:
    assert not broker_answers(f"127.0.0.1:{free_port()}")


def test_variables_that_are_meant_for_others_do_not_disturb_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA_REGISTRY", "http://localhost:8081")
    port = free_port()
    with running(broker_service(port), tmp_path):
        assert broker_answers(f"127.0.0.1:{port}")


def test_every_start_is_a_cluster_of_its_own(tmp_path: Path) -> None:
    """The log begins at offset 0 again, and who remembers offsets has to notice."""
    ids = set()
    for _ in range(2):
        port = free_port()
        with running(broker_service(port), tmp_path):
            admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"})
            ids.add(admin.list_topics(timeout=5).cluster_id)
    assert len(ids) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    port = free_port()
    script = (
        "import sys, time; from pathlib import Path\n"
        "from credit_movements.embedded.broker import broker_service\n"
        "from credit_movements.supervision.processes import running\n"
        f"with running(broker_service({port}), Path({str(tmp_path)!r})):\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while broker_answers(f"127.0.0.1:{port}"):
        assert time.monotonic() < deadline
