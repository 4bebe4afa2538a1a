"""Events per second from Kafka to Kafka: the rater, peers that do the same work, and a loop that only copies the same bytes.

`python -m benchmarks.rating [--kafka apache|embedded] [--events N] [--rounds N] [--peer-seconds N]`: on one broker after the
other. In each round all take the same events, one after the other and each round another one first, so that ratios hold on a
noisy machine; the broker shares its processors with whatever is measured. The events are good ones: the peers do not look for
duplicates, and fall over some bad messages. A slow peer is stopped after a while, and what it has made by then is held against
the rater's movements, field by field. Then the rater takes the same events with 2 % bad messages among them, and runs without
deduplication.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from benchmarks.rating import sameness
from benchmarks.rating.systems import PEERS, Figures, PeerFailedError, copying, peer, rater
from benchmarks.rating.traffic import Traffic, only_good, traffic
from benchmarks.results import machine, machine_line, save
from benchmarks.stack import APACHE, EMBEDDED
from benchmarks.table import line, ratio_line
from credit_movements.demo.company import Company, company
from tests.jars import NoJarsError

EVENTS = 400_000
ROUNDS = 3
PEER_SECONDS = 30.0
RATER, COPYING, SPOILED, WITHOUT = "rater", "copying loop", "rater, 2 % bad", "rater without deduplication"

Round = dict[str, Figures]


def main(brokers: Sequence[str], events: int, rounds: int, peer_seconds: float) -> None:
    print(machine_line(machine()), flush=True)
    made = only_good(company(time.time_ns() // 1000, events=events))
    for kafka in brokers:
        print(f"\n{len(made.usage_events):,} events on {kafka}, {rounds} rounds", flush=True)
        try:
            found = [_round(made, kafka, number, peer_seconds) for number in range(rounds)]
        except NoJarsError as reason:
            print(f"not measured: {reason}")
            continue
        save(
            f"rating-{kafka}", {"events": events, "rounds": [{k: asdict(v) for k, v in each.items()} for each in found]}
        )
        _print(found)


def _round(made: Company, kafka: str, number: int, peer_seconds: float) -> Round:
    with traffic(made, kafka) as published:
        found = _together(published, number, peer_seconds)
    with traffic(made, kafka, spoiled=True) as published:
        found[SPOILED] = rater(published)
    with traffic(made, kafka) as published:
        found[WITHOUT] = rater(published, without_deduplication=True)
    told = ", ".join(f"{name} {each.per_second:,.0f}" for name, each in found.items())
    print(f"round {number + 1}, events/s: {told}", flush=True)
    return found


def _together(published: Traffic, number: int, peer_seconds: float) -> Round:
    """All that take the same events, the next one of them first in the next round."""
    runs: list[tuple[str, Callable[[Traffic], Figures]]] = [(COPYING, copying), (RATER, rater)]
    runs += [(name, partial(peer, name=name, seconds=peer_seconds)) for name in PEERS]
    first = number % len(runs)
    found = {}
    for name, run in runs[first:] + runs[:first]:
        try:
            found[name] = run(published)
        except PeerFailedError as failure:
            print(f"not measured: {failure}", flush=True)
    expected = sameness.rated(published)
    for name in found.keys() & PEERS.keys():
        count = sameness.compare(published, name, expected)
        print(f"{name}: {count:,} of {published.count:,} movements, all equal to the rater's", flush=True)
    return {name: found[name] for name, _ in runs if name in found}


def _print(rounds: list[Round]) -> None:
    """A ratio is that of the rounds in which both were measured."""
    print("\n| what | median | range |\n|---|---|---|")
    names = dict.fromkeys(name for each in rounds for name in each)
    for name in names:
        of = [each[name] for each in rounds if name in each]
        line(f"{name}, events/s", [each.per_second for each in of])
        line(f"{name}, events per processor second", [each.per_processor_second for each in of])
        line(f"{name}, most memory, MiB", [each.peak_memory for each in of])
    for name in names:
        if name in (SPOILED, WITHOUT):
            ratio_line(f"{name} / rater", [each[name].per_second / each[RATER].per_second for each in rounds])
        elif name != RATER:
            both = [each for each in rounds if name in each]
            ratio_line(f"rater / {name}", [each[RATER].per_second / each[name].per_second for each in both])
    ratio_line(
        f"{SPOILED} / rater, by processor time",
        [each[SPOILED].per_processor_second / each[RATER].per_processor_second for each in rounds],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rating")
    parser.add_argument("--kafka", choices=(APACHE, EMBEDDED), help="else both")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peer-seconds", type=float, default=PEER_SECONDS)
    given = parser.parse_args()
    main([given.kafka] if given.kafka else [EMBEDDED, APACHE], given.events, given.rounds, given.peer_seconds)
