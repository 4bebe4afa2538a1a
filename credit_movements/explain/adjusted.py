"""What the adjustments of a movement come to. Pure."""

from typing import NamedTuple

from credit_movements.explain.explanation import Fields


class Adjusted(NamedTuple):
    """`nanos`: the sum of all. `given_back`: the sum of those against the movement, as an amount of 0 or more. `exceeds`: that
    is more than the movement took (or, of a top-up, gave)."""

    nanos: int
    given_back: int
    exceeds: bool

    @classmethod
    def by(cls, movement: Fields, adjustments: list[Fields]) -> "Adjusted":
        moved = movement["credit_movement_nanos"]
        amounts = [each["credit_movement_nanos"] for each in adjustments]
        given_back = sum(abs(each) for each in amounts if (each > 0) == (moved <= 0))
        return cls(sum(amounts), given_back, given_back > abs(moved))
