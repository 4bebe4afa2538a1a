"""`python -m benchmarks.scaling [--quick]`: 1, 2 and 3 raters, 1 and 2 sinks, and what it costs when a rater comes or goes.

Workers are stopped (SIGSTOP) while what they shall do is published, and go on together.
"""

import argparse
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.product import command
from benchmarks.rating.traffic import only_good
from benchmarks.results import save
from benchmarks.scaling.crew import RATERS, SINKS, Done, Member, crew, measured, member, wait_until_settled
from benchmarks.scaling.steady import Steady
from benchmarks.stack import three_brokers
from credit_movements import clients
from credit_movements.demo.company import Company, company
from credit_movements.demo.traffic import publish
from credit_movements.settings import settings_of, variable
from schemas.topics import ACCOUNT_PLANS, TOP_UP_EVENTS, USAGE_EVENTS
from tests.kafka.follower import Follower

_EVENTS = 150_000
_ROUNDS = (1, 2, 3)
_MOST_SINKS = 2
_EVENTS_PER_SECOND = 500
_STEADY_SECONDS = 4.0
_GO_ON_WITHIN_SECONDS = 180.0
# While they are stopped nobody may give them up.
_STOPPED = {variable("kafka_session_timeout_ms"): "300000"}
_BY_DEFAULT = {variable("kafka_session_timeout_ms"): "30000"}


class World:
    """Three brokers with prices, and events that are published slice by slice."""

    def __init__(self, folder: Path, environment: dict[str, str], brokers: Sequence[int], made: Company) -> None:
        self.folder, self.environment, self.brokers = folder, environment, brokers
        self.settings = settings_of(environment)
        self.admin = clients.admin(self.settings)
        self._made, self._published = made, 0
        deck, plans = folder / "rates.csv", folder / "plans.jsonl"
        deck.write_text(made.rate_deck, encoding="utf-8")
        made.plans.write_ndjson(plans)
        command(environment, "setup")
        command(environment, "rates", "publish", deck)
        command(environment, "publish", ACCOUNT_PLANS.name, plans)

    def publish(self, count: int) -> None:
        """The next events."""
        part = replace(self._made, usage_events=self._made.usage_events.slice(self._published, count))
        self._published += count
        usage, top_ups = (clients.codec(self.settings, topic) for topic in (USAGE_EVENTS, TOP_UP_EVENTS))
        sent = publish(part, clients.producer(self.settings), usage, top_ups, self.settings.topic_partitions)
        assert sent == count, f"{sent} of {count}: there are no more events"


def throughput(world: World, events: int) -> dict[str, dict[str, float]]:
    """By what was at work: see `Done`."""
    found: dict[str, Done] = {}
    environment = {**world.environment, **_STOPPED}
    for count in _ROUNDS:
        with ExitStack() as until_the_end:
            raters = until_the_end.enter_context(
                crew(RATERS, count, environment, world.folder, f"rater-{count}", world.admin)
            )
            sinks: list[Member] = []
            if count <= _MOST_SINKS:
                sinks = until_the_end.enter_context(
                    crew(SINKS, count, environment, world.folder, f"sink-{count}", world.admin)
                )
            for each in (*raters, *sinks):
                each.send(signal.SIGSTOP)
            world.publish(events)
            found[f"{count} raters"] = measured(raters, events, world.brokers)
            if sinks:
                found[f"{count} sinks"] = measured(sinks, events, world.brokers)
            for what in (f"{count} raters", f"{count} sinks"):
                if what in found:
                    print(_row(what, found[what]), flush=True)
    return {what: asdict(each) for what, each in found.items()}


def _row(what: str, done: Done) -> str:
    return f"| {what} | {done.per_second:,.0f} | {done.workers_us:.1f} | {done.brokers_us:.1f} |"


def rebalances(world: World) -> dict[str, float]:
    """Seconds: the longest time without a movement of a partition, where events come all the time."""
    environment = {**world.environment, **_BY_DEFAULT}
    partitions = world.settings.topic_partitions
    found: dict[str, float] = {}
    with (
        crew(RATERS, 2, environment, world.folder, "stays", world.admin) as staying,
        Follower(world.settings, partitions) as follower,
        Steady(world.publish, _EVENTS_PER_SECOND),
    ):

        def cost(what: str, change: Callable[[], None], until: Callable[[], None]) -> None:
            _go_on_steadily(follower)
            began = time.monotonic()
            change()
            until()
            _go_on_steadily(follower)
            found[what] = follower.longest_pause(began)
            print(f"| {what} | {found[what]:.1f} s |", flush=True)

        def settled(*more: Member) -> Callable[[], None]:
            return lambda: wait_until_settled(world.admin, [*staying, *more])

        cost("nothing", lambda: None, settled())
        for name, number in (("a rater leaves", signal.SIGTERM), ("a rater is killed", signal.SIGKILL)):
            with ExitStack() as gone:
                comers: list[Member] = []
                cost(
                    "a rater joins",
                    lambda comers=comers, gone=gone, number=number: comers.append(
                        gone.enter_context(member(RATERS, environment, world.folder, f"comes-{number}"))
                    ),
                    lambda comers=comers: settled(*comers)(),
                )
                (comer,) = comers
                cost(name, lambda comer=comer, number=number: comer.send(number), settled())
    return found


def _go_on_steadily(follower: Follower) -> None:
    """Until each partition has got movements for a while from now."""
    now = time.monotonic()
    give_up_at = now + _GO_ON_WITHIN_SECONDS
    while not follower.has_each_since(now + _STEADY_SECONDS):
        assert time.monotonic() < give_up_at, "movements do not go on"
        time.sleep(0.05)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--quick", action="store_true")
    events = _EVENTS // (5 if parser.parse_args().quick else 1)
    made = only_good(company(time.time_ns() // 1000, events=len(_ROUNDS) * events + 300 * _EVENTS_PER_SECOND))
    with tempfile.TemporaryDirectory() as name, three_brokers(Path(name)) as servers:
        brokers = [process for called, process in servers.process_ids.items() if called.startswith("kafka-")]
        world = World(Path(name), servers.environment, brokers, made)
        print("| at work | records/s | processor us a record, workers | brokers |\n|---|---|---|---|")
        scaled = throughput(world, events)
        print("\n| | longest time without a movement of a partition |\n|---|---|")
        save("scaling", {"scaled": scaled, "rebalances": rebalances(world)})
