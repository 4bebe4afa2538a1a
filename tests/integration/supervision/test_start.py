"""The processes of `up` start in order: a stage begins when the one before it is ready."""

import sys
from pathlib import Path

import pytest

from credit_movements.supervision.processes import Service, ServiceFailedError, running
from credit_movements.supervision.supervisor import Supervisor, Task
from tests.integration.supervision.journal import Journal, wait_for, while_running


class TestTheStart:
    def test_a_stage_begins_when_the_one_before_it_is_ready(self, journal: Journal, log_dir: Path) -> None:
        noted: list[list[str]] = []
        stages = [
            [journal.worker("a"), journal.worker("b")],
            Task("set up", lambda: noted.append(journal.notes())),
            [journal.worker("c")],
        ]
        with while_running(Supervisor(stages, log_dir), then=lambda: noted.append(journal.notes())):
            assert sorted(noted[0]) == ["a began", "b began"]
            assert noted[1][2:] == ["c began"]

    def test_a_service_that_dies_before_it_is_ready_ends_everything_and_shows_its_last_words(
        self, journal: Journal, log_dir: Path
    ) -> None:
        script = "import sys; print('an early word'); sys.exit('the last word')"
        bad = Service("bad", (sys.executable, "-c", script), ready=lambda: False)
        with pytest.raises(ServiceFailedError) as failed:
            Supervisor([[journal.worker("good")], [bad]], log_dir).run()
        first, *rest = str(failed.value).splitlines()
        assert first == f"bad ended before it was ready (exit status 1). The end of {log_dir / 'bad.log'}:"
        assert rest == ["  | the last word", "  | an early word"] or rest == ["  | an early word", "  | the last word"]
        assert journal.has("good ended")

    def test_a_service_that_is_never_ready_has_a_limit(self, log_dir: Path) -> None:
        idle = Service("idle", ("sleep", "60"), ready=lambda: False, ready_seconds=0.3)
        with pytest.raises(ServiceFailedError, match=r"idle was not ready within 0\.3 s; its log .*idle\.log is empty"):
            Supervisor([[idle]], log_dir).run()

    def test_what_a_task_raises_ends_everything_and_is_raised(self, journal: Journal, log_dir: Path) -> None:
        def fail() -> None:
            raise LookupError("no rates")

        with pytest.raises(LookupError, match="no rates"):
            Supervisor([[journal.worker("a")], Task("set up", fail)], log_dir).run()
        assert journal.notes() == ["a began", "a asked", "a ended"]

    def test_a_program_that_is_not_there_is_a_failure_like_others(self, log_dir: Path) -> None:
        message = r"missing ended before it was ready .*\n  \| cannot run /no/such/program: No such file"
        with pytest.raises(ServiceFailedError, match=message):
            Supervisor([[Service("missing", ("/no/such/program",), ready=lambda: False)]], log_dir).run()

    def test_what_services_write_is_kept_and_can_be_shown_too(self, journal: Journal, log_dir: Path) -> None:
        lines: list[tuple[str, str]] = []
        talker = Service("talker", ("sh", "-c", "echo one; echo two >&2; exec sleep 60"), stop_seconds=0)
        supervisor = Supervisor([[talker]], log_dir, on_line=lambda name, line: lines.append((name, line)))
        with while_running(supervisor, then=lambda: wait_for(lambda: len(lines) == 2)):
            assert lines == [("talker", "one"), ("talker", "two")]
            assert (log_dir / "talker.log").read_text() == "one\ntwo\n"

    def test_a_service_gets_its_environment_beside_ours(self, log_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OURS", "1")
        command = ("sh", "-c", "echo $OURS $ITS; exec sleep 60")
        with running(Service("echo", command, environment={"ITS": "2"}, stop_seconds=0), log_dir) as child:
            wait_for(lambda: child.last_lines() == ["1 2"])
