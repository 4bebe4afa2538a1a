"""Asks a server for many at once: all who wait share one round of questions, however many they are.

1. Who asks while a round is under way joins the next round. So each answer was read after its question was asked.
2. A round asks once, for all that somebody in it wants.
3. A round that fails fails for those in it. Who asks after that is in another round.
"""

import asyncio
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Generic, TypeVar

from exporter.threads import in_thread

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")
AskAll = Callable[[Collection[int]], Mapping[int, Answer]]
"""Gives the answer for each of these partitions. Blocks, and may raise outages."""


class _Round(Generic[Question, Answer]):
    """`questions` grows until the round begins."""

    answers: asyncio.Task[Mapping[Question, Answer]]

    def __init__(self) -> None:
        self.questions: set[Question] = set()


class Rounds(Generic[Question, Answer]):
    """For one event loop. `ask_all` blocks in a thread, at most `at_once` times at a time, with `most` questions at most.

    `gathering_seconds`: how long a round that may begin waits for more questions.
    """

    def __init__(
        self,
        ask_all: Callable[[Collection[Question]], Mapping[Question, Answer]],
        *,
        at_once: int = 1,
        most: int | None = None,
        gathering_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._ask_all = ask_all
        self._under_way = asyncio.Semaphore(at_once)
        self._most = most
        self._gathering_seconds = gathering_seconds
        self._next: _Round[Question, Answer] | None = None

    async def answer(self, question: Question) -> Answer:
        """The answer, read after this call. Raises what the round raises."""
        if self._next is None:
            self._next = _Round()
            self._next.answers = asyncio.create_task(self._held(self._next))
        joined = self._next
        joined.questions.add(question)
        if len(joined.questions) == self._most:
            self._next = None
        # Others wait for the same round, so the end of one who waits must not end it.
        return (await asyncio.shield(joined.answers))[question]

    async def _held(self, this: _Round[Question, Answer]) -> Mapping[Question, Answer]:
        async with self._under_way:
            await asyncio.sleep(self._gathering_seconds())
            if self._next is this:
                self._next = None
            return await in_thread(self._ask_all, frozenset(this.questions))
