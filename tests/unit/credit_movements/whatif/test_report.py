"""What `rates diff --against` says of how many movements."""

from dataclasses import replace
from io import StringIO

from rich.console import Console

from credit_movements.whatif.report import show_what_if
from credit_movements.whatif.revaluation import Sums
from credit_movements.whatif.service import Asked, WhatIf, Written
from tests.unit.credit_movements.whatif.decks import at
from tests.unit.credit_movements.whatif.test_mending import LIMITS, RIGHT

FOUND = WhatIf(Asked(at(1), at(2), RIGHT, LIMITS), Sums(), 1, 1, Written(1, 1, 1, 1))


def told(found: WhatIf) -> list[str]:
    text = StringIO()
    show_what_if(found, {}, Console(file=text, width=200))
    return text.getvalue().splitlines()


def test_one_movement_is_told_as_one() -> None:
    first, *others = told(FOUND)
    assert first.startswith("0 movements of usage from ")
    assert [" ".join(line.split()[:3]) for line in others] == [
        "1 movement is", "1 movement of", "1 adjustment written:", "1 movement was", "1 movement got", "1 movement got",
    ]  # fmt: skip
    several = replace(FOUND, erased=2_000, corrected=2, written=Written(0, 2, 2, 2))
    assert [" ".join(line.split()[:3]) for line in told(several)[1:]] == [
        "2,000 movements are", "2 movements of", "0 adjustments written:", "2 movements were", "2 movements got",
        "2 movements got",
    ]  # fmt: skip
