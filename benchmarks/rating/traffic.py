"""The made-up company's good usage events, published; where asked for, with two bad messages in a hundred."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from benchmarks.product import command
from benchmarks.rating.spoiling import SpoilingCodec
from benchmarks.stack import stack
from credit_movements import clients
from credit_movements.demo.company import Company
from credit_movements.demo.traffic import publish
from credit_movements.settings import Settings, settings_of
from schemas.codec import RecordCodec
from schemas.registry import SubjectSchemas
from schemas.topics import ACCOUNT_PLANS, TOP_UP_EVENTS, USAGE_EVENTS


@dataclass(frozen=True)
class Traffic:
    """Servers of its own with `count` messages in `usage-events`; deck and plans are published, and files in `folder`.

    `process_ids`: by the names of the servers.
    """

    settings: Settings
    environment: dict[str, str]
    folder: Path
    deck: Path
    plans: Path
    count: int
    process_ids: dict[str, int]


def only_good(made: Company) -> Company:
    """What any of the peers can take: no duplicates, no events or messages that must be refused, no top-ups."""
    good = made.usage_events.filter(pl.col("outcome") == "movement")
    return replace(made, usage_events=good, top_up_events=made.top_up_events.head(0), spoiled=[])


@contextmanager
def traffic(made: Company, kafka: str, spoiled: bool = False) -> Iterator[Traffic]:
    with tempfile.TemporaryDirectory() as name, stack(Path(name), kafka) as servers:
        settings, folder = settings_of(servers.environment), Path(name)
        deck, plans = folder / "rates.csv", folder / "plans.jsonl"
        deck.write_text(made.rate_deck, encoding="utf-8")
        made.plans.write_ndjson(plans)
        command(servers.environment, "setup")
        command(servers.environment, "rates", "publish", deck)
        command(servers.environment, "publish", ACCOUNT_PLANS.name, plans)
        kind = SpoilingCodec if spoiled else RecordCodec
        usage = kind(USAGE_EVENTS, SubjectSchemas(clients.registry(settings)))
        top_ups = clients.codec(settings, TOP_UP_EVENTS)
        count = publish(made, clients.producer(settings), usage, top_ups, settings.topic_partitions)
        yield Traffic(settings, servers.environment, folder, deck, plans, count, dict(servers.process_ids))
