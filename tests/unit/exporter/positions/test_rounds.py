"""Shared rounds of questions: every answer is younger than its question, and a round that fails fails those in it alone."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection

import pytest

from exporter.foreign_outages import KafkaUnavailableError
from exporter.positions.rounds import Rounds

DEADLINE_SECONDS = 20


class Log:
    """Ends that grow, and a broker that can be held after it has looked, or be away."""

    def __init__(self) -> None:
        self.end = 1
        self.asked: list[frozenset[int]] = []
        self.at_once = self.most_at_once = 0
        self.has_looked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.errors: list[Exception] = []

    def ends(self, partitions: Collection[int]) -> dict[int, int]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.asked.append(frozenset(partitions))
        end, error = self.end, self.errors.pop(0) if self.errors else None
        self.has_looked.set()
        assert self.may_answer.wait(DEADLINE_SECONDS)
        self.at_once -= 1
        if error is not None:
            raise error
        return {each: end + each for each in partitions}

    async def looked(self) -> None:
        """A round has read the ends."""
        while not self.has_looked.is_set():
            await asyncio.sleep(0.001)
        self.has_looked.clear()


def run(scenario: Callable[[Log, Rounds[int, int]], Awaitable[None]]) -> None:
    async def within_the_deadline() -> None:
        log = Log()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await scenario(log, Rounds(log.ends))

    asyncio.run(within_the_deadline())


def ask(rounds: Rounds[int, int], *partitions: int) -> "list[asyncio.Task[int]]":
    return [asyncio.create_task(rounds.answer(each)) for each in partitions]


def test_each_answer_is_that_of_its_own_partition() -> None:
    async def scenario(log: Log, rounds: Rounds[int, int]) -> None:
        assert await asyncio.gather(*ask(rounds, 0, 7, 3, 7)) == [1, 8, 4, 8]
        assert await rounds.answer(2) == 3

    run(scenario)


def test_all_who_wait_share_one_round() -> None:
    async def scenario(log: Log, rounds: Rounds[int, int]) -> None:
        log.may_answer.clear()
        first = ask(rounds, 5)
        await log.looked()
        waiting = ask(rounds, *range(12), *range(12))
        await asyncio.sleep(0.01)
        assert log.asked == [{5}]
        log.may_answer.set()
        await asyncio.gather(*first, *waiting)
        assert log.asked == [{5}, set(range(12))]
        assert log.most_at_once == 1

    run(scenario)


def test_every_answer_was_read_after_its_question() -> None:
    async def scenario(log: Log, rounds: Rounds[int, int]) -> None:
        for written in range(2, 30):
            log.may_answer.clear()
            ask(rounds, 0)
            await log.looked()
            # The round has read the end already, and has not answered yet.
            log.end = written
            [late] = ask(rounds, 0)
            await asyncio.sleep(0)
            log.may_answer.set()
            assert await late == written

    run(scenario)


def test_a_round_that_fails_fails_those_in_it_alone() -> None:
    async def scenario(log: Log, rounds: Rounds[int, int]) -> None:
        log.errors = [KafkaUnavailableError("no broker")]
        log.may_answer.clear()
        failing = ask(rounds, 1, 2)
        await log.looked()
        later = ask(rounds, 1, 3)
        await asyncio.sleep(0)
        log.may_answer.set()
        results = await asyncio.gather(*failing, return_exceptions=True)
        assert [type(each) for each in results] == [KafkaUnavailableError] * 2
        assert await asyncio.gather(*later) == [2, 4]

    run(scenario)


def test_who_stops_waiting_takes_the_answer_from_nobody() -> None:
    async def scenario(log: Log, rounds: Rounds[int, int]) -> None:
        log.may_answer.clear()
        first, second = ask(rounds, 1, 2)
        await log.looked()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        third = ask(rounds, 4)
        log.may_answer.set()
        assert await second == 3
        assert await asyncio.gather(*third) == [5]

    run(scenario)


def test_a_bug_comes_to_who_asked() -> None:
    async def scenario(log: Log, rounds: Rounds[int, int]) -> None:
        log.errors = [ZeroDivisionError()]
        with pytest.raises(ZeroDivisionError):
            await rounds.answer(1)
        assert await rounds.answer(1) == 2

    run(scenario)


def test_a_round_takes_no_more_than_it_may_and_no_more_than_so_many_are_under_way() -> None:
    async def scenario() -> None:
        log = Log()
        rounds = Rounds(log.ends, at_once=2, most=3)
        log.may_answer.clear()
        asked = ask(rounds, 0)
        await log.looked()
        asked += ask(rounds, *range(1, 9))
        await log.looked()
        await asyncio.sleep(0.01)
        assert len(log.asked) == 2
        log.may_answer.set()
        assert await asyncio.gather(*asked) == list(range(1, 10))
        assert log.most_at_once == 2
        assert [len(each) for each in log.asked] == [1, 3, 3, 2]

    asyncio.run(asyncio.wait_for(scenario(), DEADLINE_SECONDS))


def test_a_round_may_wait_for_more_questions() -> None:
    async def scenario() -> None:
        log = Log()
        rounds = Rounds(log.ends, gathering_seconds=lambda: 0.2)
        asked = ask(rounds, 1)
        await asyncio.sleep(0.05)
        asked += ask(rounds, 2, 3)
        await asyncio.gather(*asked)
        assert log.asked == [{1, 2, 3}]

    asyncio.run(asyncio.wait_for(scenario(), DEADLINE_SECONDS))
