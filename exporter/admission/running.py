"""The exports that this process is making. An account has one at most, and its other requests wait here for the end of it."""

import asyncio
from weakref import WeakValueDictionary


class RunningExports:
    """An entry for each account with an export in this process, and a lock for each account with a request in decision."""

    def __init__(self) -> None:
        self._ends: dict[str, asyncio.Event] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def deciding(self, account_id: str) -> asyncio.Lock:
        """Hold this lock while deciding on a request of the account, so that decisions are made in the order of the log."""
        return self._locks.setdefault(account_id, asyncio.Lock())

    async def wait_until_ended(self, account_id: str) -> None:
        """Returns at once where no export of the account is running."""
        if (end := self._ends.get(account_id)) is not None:
            await end.wait()

    def begin(self, account_id: str) -> None:
        assert account_id not in self._ends
        self._ends[account_id] = asyncio.Event()

    def end(self, account_id: str) -> None:
        self._ends.pop(account_id).set()
