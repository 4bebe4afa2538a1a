"""A rater as a process of its own, which can be given a disk that is full: `python -m ... MAX_IN_MEMORY LARGEST_FILE`."""

import resource
import sys
import urllib.request
from functools import partial
from pathlib import Path

import streams.dedup.stores
from credit_movements.commands.main import main
from credit_movements.embedded.ports import free_port
from credit_movements.settings import Settings
from credit_movements.supervision.processes import Child, Service
from streams.dedup.store import DedupStore
from tests.environment import environment_of

_FIELDS = ("kafka_bootstrap_servers", "kafka_session_timeout_ms", "schema_registry_url", "data_dir", "topic_partitions")
STOP_SECONDS = 15.0


class RaterProcess(Child):
    """`max_in_memory`: ids that a store keeps before it writes. `largest_file_bytes`: what its disk has room for."""

    def __init__(
        self, settings: Settings, log_dir: Path, max_in_memory: int = 250_000, largest_file_bytes: int = 10**9
    ) -> None:
        self.port = free_port()
        given = Settings(
            **{name: getattr(settings, name) for name in _FIELDS}, rater_http_port=self.port, rater_id="test"
        )
        command = (sys.executable, "-m", "tests.faults.rater_process", str(max_in_memory), str(largest_file_bytes))
        super().__init__(Service("rater-of-faults", command, environment_of(given)), log_dir)

    def count(self, metric: str) -> float:
        """The sum of a counter over its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = [line for line in answer.read().decode().splitlines() if line.startswith(metric + "{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def most_memory_bytes(self) -> int:
        """The most that it had in memory at any time."""
        status = Path(f"/proc/{self.process_id}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def stop(self) -> None:
        """It must end by itself, in time and without a crash."""
        self.ask_to_stop()
        assert self.wait_or_kill(STOP_SECONDS), self.log_path.read_text()
        assert self.exit_status == 0, self.log_path.read_text()


if __name__ == "__main__":
    # Python ignores the signal: a file that grows beyond it meets an OSError, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    streams.dedup.stores.DedupStore = partial(DedupStore, max_in_memory=int(sys.argv[1]))  # type: ignore[assignment,misc]
    sys.argv[1:] = ["rate"]
    main()
