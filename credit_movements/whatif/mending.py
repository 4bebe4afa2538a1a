"""A wrong deck mended from end to end, as a person does it with `rates diff --adjust` and `publish`. The demo plays it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from credit_movements.publishing.json_lines import read_lines
from credit_movements.publishing.records import publish_table
from credit_movements.settings import Settings
from credit_movements.whatif.question import Question, answered
from credit_movements.whatif.service import WhatIf
from schemas.topics import ADJUSTMENT_EVENTS
from streams.pricing.deck.fault import LINE

_MONTH_MICROS: Final = 30 * 86_400 * 10**6


@dataclass(frozen=True)
class Mended:
    """What the last month would have come to, and the adjustments: `before` these were published, twice, and `after`."""

    before: WhatIf
    after: WhatIf


def mend(
    settings: Settings, right: pl.DataFrame, file: Path, now_micros: int, wait_until_stored: Callable[[int, int], None]
) -> Mended:
    """Lay the `right` rates (RATE_COLUMNS) over what is published, and make good what the last month was charged otherwise.

    `wait_until_stored` waits until so many more records are rated, and so many more movements stored. Raises as `answered` and
    `publish_table` do.
    """
    question = Question(right, _MONTH_MICROS, over=True, adjust=file)
    before = answered(settings, question, now_micros).found
    with file.open(encoding="utf-8") as lines:
        adjustments = read_lines(ADJUSTMENT_EVENTS, lines).drop(LINE)
    # By mistake twice: each movement is corrected once.
    for _ in range(2):
        publish_table(settings, ADJUSTMENT_EVENTS, adjustments)
    wait_until_stored(2 * len(adjustments), len(adjustments))
    again = replace(question, adjust=file.with_name(f"left-of-{file.name}"))
    return Mended(before, answered(settings, again, now_micros).found)
