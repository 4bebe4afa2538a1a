"""The processes of `up` end in reverse order, and none is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from credit_movements.supervision.supervisor import Supervisor, Task
from tests.integration.supervision.journal import Journal, is_running, program, supervising, wait_for, while_running

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")


class TestTheEnd:
    def test_who_was_started_behind_a_task_ends_before_the_others(self, journal: Journal, log_dir: Path) -> None:
        stages = [[journal.worker("store")], Task("set-up", lambda: None), [journal.worker("worker", seconds=0.3)]]
        with while_running(Supervisor(stages, log_dir), then=lambda: None):
            assert journal.notes()[2:] == ["worker asked", "worker ended", "store asked", "store ended"]

    def test_those_with_no_task_between_them_end_together(self, journal: Journal, log_dir: Path) -> None:
        stages = [[journal.worker("first", seconds=0.3)], [journal.worker("second", seconds=0.3)]]
        with while_running(Supervisor(stages, log_dir), then=lambda: None):
            assert set(journal.notes()[2:4]) == {"first asked", "second asked"}
            assert set(journal.notes()[4:]) == {"first ended", "second ended"}

    def test_who_does_not_end_in_time_is_killed(self, journal: Journal, log_dir: Path) -> None:
        began = time.monotonic()
        stages = [[journal.worker("slow", seconds=60, stop_seconds=0.3), journal.worker("quick")]]
        with while_running(Supervisor(stages, log_dir), then=lambda: None):
            assert time.monotonic() - began < 5
            assert journal.has("quick ended")
            assert not is_running(journal.process_id("slow"))

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    @pytest.mark.parametrize("to_group", [False, True], ids=["to the process", "to its group"])
    def test_a_signal_lets_all_finish_and_the_status_is_0(
        self, journal: Journal, log_dir: Path, number: signal.Signals, to_group: bool
    ) -> None:
        stages = "[[journal.worker('a', 0.2)], Task('t', lambda: None), [journal.worker('b', 0.2)]]"
        with supervising(stages, journal, log_dir) as process:
            (os.killpg if to_group else os.kill)(process.pid, number)
            assert process.wait(10) == 0
        assert journal.notes()[2:] == ["b asked", "b ended", "a asked", "a ended"]

    def test_a_second_signal_does_not_wait(self, journal: Journal, log_dir: Path) -> None:
        with supervising("[[journal.worker('a', 60, stop_seconds=60)]]", journal, log_dir) as process:
            process.send_signal(signal.SIGINT)
            wait_for(lambda: journal.has("a asked"))
            process.send_signal(signal.SIGINT)
            assert process.wait(3) == 0
        assert not is_running(journal.process_id("a"))

    def test_a_signal_during_the_start_ends_it(self, journal: Journal, log_dir: Path) -> None:
        stages = "[[journal.worker('a')], [Service('b', ('sleep', '60'), ready=lambda: False)]]"
        with subprocess.Popen(program(stages, journal, log_dir), stdout=subprocess.PIPE, text=True) as process:
            wait_for(lambda: (log_dir / "b.log").exists())
            process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=10)[0] == ""
            assert process.returncode == 0
        assert journal.has("a ended")

    def test_a_ctrl_c_that_reaches_a_service_at_its_very_beginning_is_no_failure(
        self, journal: Journal, log_dir: Path
    ) -> None:
        # While the others are started nobody looks at the first.
        stage = (
            "[Service('b', ('sh', '-c', 'kill -INT $PPID $$'), ready=lambda: False)]"
            " + [Service(f'c{number}', ('sleep', '60')) for number in range(20)]"
        )
        stages = f"[[journal.worker('a')], {stage}]"
        ended = subprocess.run(program(stages, journal, log_dir), capture_output=True, text=True, timeout=20)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert journal.has("a ended")

    def test_the_death_of_a_store_is_one_line_and_status_1(self, journal: Journal, log_dir: Path) -> None:
        with supervising("[[journal.worker('store', restart=False)]]", journal, log_dir) as process:
            os.kill(journal.process_id("store"), signal.SIGTERM)
            assert process.wait(10) == 1
            assert process.stderr is not None
            assert process.stderr.read().startswith("store died (exit status 0), and what it kept in memory is lost")

    @linux_only
    def test_a_supervisor_that_is_killed_leaves_nobody_behind(self, journal: Journal, log_dir: Path) -> None:
        with supervising("[[journal.worker('a')], [journal.worker('b')]]", journal, log_dir) as process:
            process.kill()
        for name in ("a", "b"):
            wait_for(lambda name=name: not is_running(journal.process_id(name)))
        assert not journal.has("a asked")
