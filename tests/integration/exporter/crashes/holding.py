"""An export that is held in the middle, so that a test can do something to its worker."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from exporter.storage.keys import ExportKeys
from schemas.partitioner import account_partition
from tests.integration.exporter.exporter_stack import PARTITIONS, Stack, wait_for


@contextmanager
def killed_in_the_end(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def accepted(stack: Stack, request: dict[str, Any]) -> Path:
    return stack.folder / "storage" / ExportKeys.of(request["account_id"], request["request_id"]).request


def log_of(stack: Stack, name: str) -> str:
    return (stack.folder / f"{name}.log").read_text()


def begin_and_hold(stack: Stack, account: str) -> dict[str, Any]:
    """A request that was accepted, and has to wait: the sink lacks one record."""
    stack.movements(account, [{}, {}])
    stack.append_to_log(account_partition(account, PARTITIONS), 1)
    request = stack.ask(account)
    wait_for(accepted(stack, request).exists, 15)
    return request


def let_go(stack: Stack, account: str) -> None:
    stack.commit_sink(account_partition(account, PARTITIONS))
