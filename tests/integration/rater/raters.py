"""Raters as processes of their own, to be stopped, killed and waited for."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from credit_movements.settings import Settings
from credit_movements.supervision.processes import Service
from tests.environment import environment_of
from tests.integration.stack import eventually
from tests.nursery import ForkedChild

STOP_SECONDS = 15.0


class RaterProcess(ForkedChild):
    """One rater. `step` and `signal_name`: it gets this signal right after that step of its first transaction. `folder`: where
    it keeps its deduplication stores, by default one of its own, by its name."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        log_dir: Path,
        interruption: tuple[str, str] | None = None,
        folder: str | None = None,
    ) -> None:
        module = (
            ("credit_movements", "rate")
            if interruption is None
            else ("tests.integration.rater.rater_process", *interruption)
        )
        own = {"rater_id": name, "data_dir": settings.data_dir / (folder or name)}
        given = settings.model_copy(update=own)
        super().__init__(Service(name, (sys.executable, "-m", *module), environment_of(given)), log_dir)

    def log(self) -> str:
        return self.log_path.read_text()

    def has_said(self, text: str, times: int = 1) -> bool:
        return self.log().count(text) >= times

    def wait_for(self, text: str) -> None:
        """Until its log has the text; fails if it ends before."""

        def said() -> bool:
            assert self.exit_status is None, self.log()
            return self.has_said(text)

        eventually(said)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process_id, number)

    def wait_until_stopped(self) -> None:
        """Until SIGSTOP has reached it."""
        eventually(lambda: Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()[0] == "T")


@contextmanager
def rater(
    settings: Settings, name: str, log_dir: Path, interruption: tuple[str, str] | None = None
) -> Iterator[RaterProcess]:
    """A rater for the length of a block. At the end it finishes, if it still runs, and must do so in time."""
    process = RaterProcess(settings, name, log_dir, interruption)
    try:
        yield process
    except BaseException:
        process.wait_or_kill(0.0)
        print(process.log(), file=sys.stderr)
        raise
    if process.exit_status is None:
        process.ask_to_stop()
        assert process.wait_or_kill(STOP_SECONDS), process.log()
        assert process.exit_status == 0, process.log()
