"""How soon commands answer: `--help`, and what asks a running `up` (python -m benchmarks.commands).

Each time is the median of several runs, of a process from its start to its end.
"""

import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.growth.shown import three_figures
from benchmarks.product import command
from benchmarks.results import save
from credit_movements.stack.servers import servers

_TIMES = 9
_COMMANDS = {"--help": ("--help",), "balance": ("balance", "acme"), "rates --help": ("rates", "--help")}


def main() -> None:
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {_TIMES} runs each", flush=True)
    print("\n| command | seconds | processor seconds |\n|---|---|---|")
    figures = {}
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as stack:
        command(stack.environment, "setup")
        for what, arguments in _COMMANDS.items():
            runs = [_timed(stack.environment, *arguments) for _ in range(_TIMES)]
            seconds, processor_seconds = (statistics.median(column) for column in zip(*runs, strict=True))
            print(f"| `{what}` | {three_figures(seconds)} | {three_figures(processor_seconds)} |", flush=True)
            figures[what] = {"seconds": seconds, "processor_seconds": processor_seconds}
    save("commands", {"commands": figures})


def _timed(environment: dict[str, str], *arguments: str) -> tuple[float, float]:
    """Seconds, and processor seconds."""
    began_at, before = time.perf_counter(), _children()
    command(environment, *arguments)
    return time.perf_counter() - began_at, _children() - before


def _children() -> float:
    """Processor seconds of this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
