"""The processes of `up`: started in order, kept running, ended in order, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from credit_movements.supervision import restarts
from credit_movements.supervision.occupancy import OccupiedError, check_port_is_free, data_folder_claimed
from credit_movements.supervision.processes import Service, ServiceFailedError, running
from credit_movements.supervision.supervisor import Supervisor, Task
from tests.conftest import free_port

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")

# A worker: notes in `journal` when it began and how it ended, and ends at SIGTERM after `seconds`.
WORKER = """
import os, signal, sys, time
journal, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
def note(what):
    with open(journal, "a") as file:
        file.write(f"{name} {what} {os.getpid()}\\n")
def end(*_):
    note("asked")
    time.sleep(seconds)
    note("ended")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("began")
while True:
    time.sleep(60)
"""


class Journal:
    """What the workers of one test noted, in order."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[list[str]]:
        return [line.split() for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def notes(self) -> list[str]:
        return [f"{name} {what}" for name, what, _ in self.entries()]

    def process_id(self, name: str) -> int:
        """Of the latest process of that name."""
        return next(int(number) for who, what, number in reversed(self.entries()) if (who, what) == (name, "began"))

    def has(self, note: str, times: int = 1) -> bool:
        return self.notes().count(note) >= times

    def worker(self, name: str, seconds: float = 0, restart: bool = True, stop_seconds: float = 5) -> Service:
        return Service(
            name,
            (sys.executable, "-c", WORKER, str(self.path), name, str(seconds)),
            ready=lambda: self.has(f"{name} began"),
            restart=restart,
            stop_seconds=stop_seconds,
        )


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@contextmanager
def while_running(supervisor: Supervisor, then: Callable[[], None]) -> Iterator[None]:
    """Runs `then` in a thread once all is ready, and ends the supervisor after it. The block is run at the end."""
    end = threading.Event()
    failures: list[BaseException] = []

    def act() -> None:
        try:
            then()
        except AssertionError as error:
            failures.append(error)
        finally:
            end.set()

    supervisor.run(end, on_ready=threading.Thread(target=act).start)
    assert failures == []
    yield


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def program(stages: str, journal: Journal, log_dir: Path) -> list[str]:
    """A process that supervises `stages` and says `ready`; for tests that send it signals."""
    script = (
        "import logging, sys\n"
        "from pathlib import Path\n"
        "from credit_movements.supervision.processes import Service, ServiceFailedError\n"
        "from credit_movements.supervision.supervisor import Supervisor\n"
        "from tests.integration.test_supervisor import Journal\n"
        f"journal = Journal(Path({str(journal.path)!r}))\n"
        "try:\n"
        f"    Supervisor({stages}, Path({str(log_dir)!r})).run(on_ready=lambda: print('ready', flush=True))\n"
        "except ServiceFailedError as error:\n"
        "    sys.exit(str(error))\n"
    )
    return [sys.executable, "-c", script]


@contextmanager
def supervising(stages: str, journal: Journal, log_dir: Path) -> Iterator[subprocess.Popen[str]]:
    command = program(stages, journal, log_dir)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


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


class TestTheEnd:
    def test_stages_end_in_reverse_order_each_after_the_other(self, journal: Journal, log_dir: Path) -> None:
        stages = [[journal.worker("store")], [journal.worker("worker", seconds=0.3)]]
        with while_running(Supervisor(stages, log_dir), then=lambda: None):
            assert journal.notes()[2:] == ["worker asked", "worker ended", "store asked", "store ended"]

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
        with supervising("[[journal.worker('a', 0.2)], [journal.worker('b', 0.2)]]", journal, log_dir) as process:
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
