"""A worker that dies is started again; the death of a store ends everything."""

import os
import signal
from pathlib import Path

import pytest

from credit_movements.supervision import restarts
from credit_movements.supervision.processes import Service, ServiceFailedError
from credit_movements.supervision.supervisor import Supervisor
from tests.integration.supervision.journal import Journal, wait_for, while_running


class TestWhileItRuns:
    def test_a_worker_that_dies_is_started_again(
        self, journal: Journal, log_dir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(restarts, "FIRST_DELAY_SECONDS", 0.1)

        def kill_twice() -> None:
            for times in (2, 3):
                os.kill(journal.process_id("a"), signal.SIGKILL)
                wait_for(lambda times=times: journal.has("a began", times))

        with caplog.at_level("INFO"), while_running(Supervisor([[journal.worker("a")]], log_dir), then=kill_twice):
            warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
            assert warnings == [
                f"a died (signal SIGKILL) and is started again in {delay} s; see {log_dir / 'a.log'}"
                for delay in ("0.1", "0.2")
            ]
            assert journal.has("a ended")

    def test_the_death_of_what_cannot_be_started_again_ends_everything(self, journal: Journal, log_dir: Path) -> None:
        stages = [[journal.worker("store", restart=False)], [journal.worker("worker")]]
        supervisor = Supervisor(stages, log_dir)
        with pytest.raises(
            ServiceFailedError, match=r"store died \(signal SIGKILL\), and what it kept in memory is lost"
        ):
            supervisor.run(on_ready=lambda: os.kill(journal.process_id("store"), signal.SIGKILL))
        assert journal.notes()[2:] == ["worker asked", "worker ended"]

    def test_the_delay_before_a_restart_grows_to_a_limit(
        self, log_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(restarts, "FIRST_DELAY_SECONDS", 0.02)
        monkeypatch.setattr(restarts, "MAX_DELAY_SECONDS", 0.08)
        service = Service("brief", ("true",))
        supervisor = Supervisor([[service]], log_dir)

        def warnings() -> list[str]:
            return [record.message for record in caplog.records if record.levelname == "WARNING"]

        with while_running(supervisor, then=lambda: wait_for(lambda: len(warnings()) >= 5)):
            delays = [message.split(" again in ")[1].split(" s;")[0] for message in warnings()]
            assert delays[:5] == ["0.02", "0.04", "0.08", "0.08", "0.08"]
