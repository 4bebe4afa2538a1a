"""The oracle's answer for one account: a line for each movement, and the number of other outcomes."""

from dataclasses import dataclass
from decimal import Decimal

from credit_movements.demo.company import Outcomes


@dataclass(frozen=True)
class Line:
    """One movement, `occurred_at` in microseconds; units, price and the units it is for are None where there is no price."""

    movement_id: str
    occurred_at: int
    interaction_id: str
    description: str
    units_charged: int | None
    price: Decimal | None
    price_units: int | None
    credit_movement: Decimal
    currency: str


@dataclass(frozen=True)
class Answer:
    """`outcomes`: topic name → counts."""

    lines: list[Line]
    outcomes: dict[str, Outcomes]

    @property
    def balance(self) -> Decimal:
        return sum((line.credit_movement for line in self.lines), Decimal(0))

    def exported(self, from_micros: int, to_micros: int) -> list[Line]:
        """The lines of an export of the period [from, to), in their order."""
        lines = [line for line in self.lines if from_micros <= line.occurred_at < to_micros and line.credit_movement]
        return sorted(lines, key=lambda line: (line.occurred_at, line.movement_id))
