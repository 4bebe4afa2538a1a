"""The company, made from a seed: the same seed and instant make the same company, to the last digit."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from credit_movements.demo.generated.accounts import ACCOUNTS, plans
from credit_movements.demo.generated.deck import deck
from credit_movements.demo.generated.faults import DUPLICATE, MOVEMENT, top_up_faults, usage_faults, with_faults
from credit_movements.demo.generated.spoiled import SpoiledMessage, spoiled_messages
from credit_movements.demo.generated.top_ups import top_ups
from credit_movements.demo.generated.usage import usage
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS, Topic

SEED: Final = 20
_MOST_OF_EACH_FAULT: Final = 24


@dataclass(frozen=True)
class Outcomes:
    """What becomes of a topic's messages; `dead_letters` is reason → how many."""

    movements: int = 0
    duplicates: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)

    @classmethod
    def counted(cls, outcomes: Iterable[str]) -> "Outcomes":
        """From one name for each message: movement, duplicate or a reason."""
        counts = Counter(outcomes)
        return cls(counts.pop(MOVEMENT, 0), counts.pop(DUPLICATE, 0), dict(sorted(counts.items())))

    @property
    def messages(self) -> int:
        return self.movements + self.duplicates + sum(self.dead_letters.values())


@dataclass(frozen=True)
class Company:
    """`usage_events`, `top_up_events`: the records in the order of publishing, and in the column `outcome` what must
    become of each (movement, duplicate or a reason). `spoiled`: messages that are no good records, to be mixed in."""

    now_micros: int
    rate_deck: str
    plans: pl.DataFrame
    usage_events: pl.DataFrame
    top_up_events: pl.DataFrame
    spoiled: list[SpoiledMessage]

    @property
    def showcase_account_id(self) -> str:
        """The largest account."""
        return ACCOUNTS[0].account_id

    def expected(self, topic: Topic) -> Outcomes:
        """What must become of the messages of one input topic, by the way they were made."""
        events = self.usage_events if topic is USAGE_EVENTS else self.top_up_events
        spoiled = [each.reason.value for each in self.spoiled if each.topic is topic]
        return Outcomes.counted([*events["outcome"], *spoiled])


def company(now_micros: int, seed: int = SEED, *, events: int) -> Company:
    """31 days of traffic until `now_micros` (UTC): `events` good uses of services, top-ups, and faults among them.

    At least some 2,000 events, for every fault to find an event that it can spoil.
    """
    random = np.random.default_rng(seed)
    each = max(2, min(_MOST_OF_EACH_FAULT, events // 8_000))
    used = usage(random, now_micros, events)
    paid = top_ups(random, now_micros, used)
    return Company(
        now_micros,
        deck(now_micros),
        plans(now_micros),
        with_faults(random, used, usage_faults(now_micros), "quantity", events // 100, each),
        with_faults(random, paid, top_up_faults(now_micros), "amount_nanos", len(paid) // 100, max(2, each // 8)),
        [
            *spoiled_messages(random, USAGE_EVENTS, used, each),
            *spoiled_messages(random, TOP_UP_EVENTS, paid, max(2, each // 8)),
        ],
    )
