"""The exports that this process is making: at most one for an account, and how others of the account wait for its end."""

import asyncio
from weakref import WeakValueDictionary


class RunningExport:
    """`answers_until_ms` is the latest Kafka timestamp of a request that came while it was running: its notification's
    is not to be earlier, however the clocks of this machine and the broker disagree."""

    def __init__(self) -> None:
        self.answers_until_ms = 0
        self._ended = asyncio.Event()

    def answer(self, sent_at_ms: int) -> None:
        self.answers_until_ms = max(self.answers_until_ms, sent_at_ms)

    def end(self) -> None:
        self._ended.set()

    async def wait_until_ended(self) -> None:
        await self._ended.wait()


class RunningExports:
    """One entry for each account with an export in this process, and a lock for each account that is being decided on."""

    def __init__(self) -> None:
        self._running: dict[str, RunningExport] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def deciding(self, account_id: str) -> asyncio.Lock:
        """Held while a request of the account is decided on: decisions are made one by one, in the order of the log."""
        return self._locks.setdefault(account_id, asyncio.Lock())

    def of(self, account_id: str) -> RunningExport | None:
        return self._running.get(account_id)

    def begin(self, account_id: str) -> RunningExport:
        assert account_id not in self._running
        self._running[account_id] = RunningExport()
        return self._running[account_id]

    def end(self, account_id: str) -> None:
        self._running.pop(account_id).end()
