"""A worker as `credit-movements rate|sink|export` runs it, with one difference: it is killed at one named step of its loop.

`python -m tests.chaos.killed_at STEP COUNT rate|sink|export`, settings by the CREDIT_ variables. STEP is one of STEPS; the
worker is killed when it comes there for the COUNTth time. Nothing of the worker is replaced: one of its clients is handed to
it in a wrapper.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from credit_movements import clients
from credit_movements.commands.main import main


class Step(NamedTuple):
    """Before or after a call of this method of this client."""

    client: str
    method: str
    is_after: bool
    matters: Callable[..., bool] = lambda result, *_, **__: True


def _has_messages(result: Any, *_: Any, **__: Any) -> bool:
    return any(message.error() is None for message in result or ())


def _key_ends(ending: str) -> Callable[..., bool]:
    return lambda _, key, *__, **___: str(key).endswith(ending)


STEPS = {
    "rate": {
        "after consume": Step("rater consumer", "consume", True, _has_messages),
        "before the transaction": Step("rater producer", "begin_transaction", False),
        "inside it, before anything is written": Step("rater producer", "begin_transaction", True),
        "inside it, after produce": Step("rater producer", "produce_batch", True),
        "inside it, before the offsets": Step("rater producer", "send_offsets_to_transaction", False),
        "inside it, after the offsets": Step("rater producer", "send_offsets_to_transaction", True),
        "before commit": Step("rater producer", "commit_transaction", False),
        "after commit, before the store is written": Step("rater producer", "commit_transaction", True),
    },
    "sink": {
        "after consume": Step("sink consumer", "consume", True, _has_messages),
        "before insert": Step("clickhouse", "insert_arrow", False),
        "after insert, before commit": Step("clickhouse", "insert_arrow", True),
        "before commit": Step("sink consumer", "commit", False),
        "after commit": Step("sink consumer", "commit", True),
    },
    "export": {
        "before it is accepted": Step("storage", "create_record", False, _key_ends(".request.json")),
        "after it was accepted": Step("storage", "create_record", True, _key_ends(".request.json")),
        "after the file was written": Step("storage", "put_stream", True),
        "before the outcome is written": Step("storage", "create_record", False, _key_ends(".outcome.json")),
        "after the outcome was written": Step("storage", "create_record", True, _key_ends(".outcome.json")),
        "after the notification was sent": Step("notifications producer", "produce", True),
    },
}  # fmt: skip


class Mortal:
    """A client whose process is killed at `step`."""

    def __init__(self, client: Any, step: Step, count: int) -> None:
        self._client = client
        self._step = step
        self._left = count

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return self._interrupted(method) if name == self._step.method else method

    def _interrupted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if not self._step.is_after:
                self._count_down(None, *arguments, **options)
            result = method(*arguments, **options)
            if self._step.is_after:
                self._count_down(result, *arguments, **options)
            return result

        return call

    def _count_down(self, *arguments: Any, **options: Any) -> None:
        if not self._step.matters(*arguments, **options):
            return
        self._left -= 1
        if self._left == 0:
            if self._step.client.endswith("producer"):
                # What was queued is on its way: let it arrive.
                self._client.flush()
            print("KILLED AT ITS STEP", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


def _doom(step: Step, count: int) -> None:
    """Have the client of `step`, when it is made, handed out in a wrapper."""
    group_consumer = clients.group_consumer

    def consumer(settings: Any, group_id: str, **properties: Any) -> Any:
        made = group_consumer(settings, group_id, **properties)
        return Mortal(made, step, count) if step.client == f"{group_id} consumer" and properties else made

    def wrapped(make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **options: Mortal(make(*arguments, **options), step, count)

    match step.client:
        case "rater consumer" | "sink consumer":
            clients.group_consumer = consumer
        case "rater producer":
            clients.transactional_producer = wrapped(clients.transactional_producer)
        case "clickhouse":
            from credit_movements import clickhouse

            clickhouse.checked_client = wrapped(clickhouse.checked_client)
        case "storage":
            from exporter.storage.objects import ExportStorage

            ExportStorage.open = wrapped(ExportStorage.open)  # type: ignore[method-assign]
        case "notifications producer":
            clients.producer = wrapped(clients.producer)


if __name__ == "__main__":
    name, count, command = sys.argv[1:]
    _doom(STEPS[command][name], int(count))
    sys.argv[1:] = [command]
    main()
