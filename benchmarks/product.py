"""The product as its operator has it: commands, workers that are processes of their own, and their metrics pages."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from credit_movements.supervision.launch import tethered

_ANSWER_SECONDS = 5.0
_END_SECONDS = 20.0


def command(environment: Mapping[str, str], *arguments: object) -> None:
    """Run `credit-movements ARGUMENTS...` to its end; what it prints is of no interest."""
    line = [sys.executable, "-m", "credit_movements", *map(str, arguments)]
    subprocess.run(line, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def worker(
    environment: Mapping[str, str],
    *module_and_arguments: str,
    python: Path = Path(sys.executable),
    log: Path = Path(os.devnull),
) -> Iterator[int]:
    """`python -m MODULE ARGUMENTS...` for the length of a `with` block; gives the id of its process."""
    line = tethered((str(python), "-m", *module_and_arguments))
    with log.open("wb") as written:
        process = subprocess.Popen(line, env={**os.environ, **environment}, stdout=written, stderr=written)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def metric(port: int, sample: str, **labels: str) -> float:
    """The sum of a worker's samples of that name over all labels but those given; 0 while its page does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_ANSWER_SECONDS) as page:
            families = text_string_to_metric_families(page.read().decode())
    except (urllib.error.URLError, TimeoutError):
        return 0.0
    samples = (each for family in families for each in family.samples)
    return sum(each.value for each in samples if each.name == sample and labels.items() <= each.labels.items())
