"""The whole rater, from Kafka to Kafka, where it has many prefixes or remembers many ids.

`python -m benchmarks.growth.rater [--quick]`: microseconds of the rater's processor time an event, in one run on the embedded
broker: by the company's own deck; with 200,000 prefixes more on the card that its customers are on; with stores of 50 million
ids (1.2 GB).
"""

import argparse
import time
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl

from benchmarks.growth import Growth
from benchmarks.growth.deck import write_deck
from benchmarks.growth.shown import show
from benchmarks.product import command
from benchmarks.rating.systems import rater
from benchmarks.rating.traffic import Traffic, only_good, traffic
from benchmarks.stack import EMBEDDED
from credit_movements import clients
from credit_movements.demo.company import company
from streams.dedup.files import Manifest, write_manifest, write_run
from streams.dedup.runs import Run

_EVENTS = 300_000
_PREFIXES = 200_000
_IDS = 50_000_000
_MICROSECONDS = 1e6
_DAY_MICROS = timedelta(days=1) // timedelta(microseconds=1)
# What the product aims at is at least this share of the speed.
_AIM_PREFIXES, _AIM_IDS = 0.8, 0.9


def measured(quick: bool = False) -> list[Growth]:
    events, prefixes, ids = (each // (10 if quick else 1) for each in (_EVENTS, _PREFIXES, _IDS))
    plain = _event(events, lambda _: None)
    many_prefixes = _event(events, lambda system: _add_prefixes(system, prefixes))
    many_ids = _event(events, lambda system: _add_ids(system, ids))
    what, unit = "an event in a rater, processor", "us"
    return [
        Growth(
            what, f"the company's deck / {prefixes:,} prefixes more", plain, many_prefixes, unit, _most(_AIM_PREFIXES)
        ),
        Growth(what, f"no ids / {ids:,} ids remembered", plain, many_ids, unit, _most(_AIM_IDS)),
    ]


def _most(share: float) -> float:
    return round(1 / share, 2)


def _event(events: int, grow: Callable[[Traffic], None]) -> float:
    with traffic(only_good(company(time.time_ns() // 1000, events=events)), EMBEDDED) as system:
        grow(system)
        return _MICROSECONDS / rater(system).per_processor_second


def _add_prefixes(system: Traffic, count: int) -> None:
    card = system.settings.default_rate_card
    # A card may not begin earlier than it did: it would have charged accounts in another currency before their first plan.
    own = pl.read_csv(system.deck, infer_schema=False).filter(pl.col("rate_card_id") == card)
    begin = own["effective_from"].min()
    command(
        system.environment,
        "rates",
        "publish",
        write_deck(system.folder / "more.csv", card, count, begin),
    )


def _add_ids(system: Traffic, count: int) -> None:
    """Into the stores of all partitions, as they would lie on the disk of a rater that has written nothing since."""
    log_id, now_micros = clients.log_identity(system.settings), time.time_ns() // 1000
    random = np.random.default_rng(0)
    for number in range(system.settings.topic_partitions):
        folder = system.settings.data_dir / "seen" / str(number)
        ids, content = (
            random.integers(0, 2**64, count // system.settings.topic_partitions, np.uint64) for _ in range(2)
        )
        occurred_at = now_micros - random.integers(0, _DAY_MICROS, len(ids))
        name, _ = write_run(folder, Run.of(ids, content, occurred_at))
        write_manifest(folder, Manifest(log_id, 0, now_micros, now_micros - 400 * _DAY_MICROS, (name,)).text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth.rater")
    parser.add_argument("--quick", action="store_true")
    show(measured(parser.parse_args().quick))
