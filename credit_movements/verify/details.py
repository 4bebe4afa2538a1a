"""The eleven columns of a detailed file, each line's recomputed or held against the others."""

import re
from collections import defaultdict
from datetime import UTC, datetime
from typing import Final

from credit_movements.verify.amounts import nanos_of, text_of
from credit_movements.verify.findings import Findings
from credit_movements.verify.manifest import Manifest
from credit_movements.verify.texts import guarded

COLUMNS: Final = [
    "UTC offset",
    "Duration (seconds)",
    "User",
    "Direction",
    "From",
    "To",
    "Destination name",
    "Rate card",
]
COLUMNS.extend(["Currency", "Balance after", "Movement ID"])
BALANCE: Final = COLUMNS.index("Balance after")
_OFFSET: Final = re.compile(r"UTC([+-])([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?", re.ASCII)
_SECONDS: Final = re.compile("0|[1-9][0-9]*", re.ASCII)
_UUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MOST_CARDS: Final = 10_000


class DetailCheck:
    """Takes the lines in their order. `by_card`: (rate card, currency) → [movements, nanos]."""

    def __init__(self, manifest: Manifest, findings: Findings) -> None:
        self.by_card: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self._findings = findings
        self._shown = guarded if manifest.format == "csv" else str
        # Where lines are left out, so are steps of the balance.
        self._balance = manifest.opening_balance if manifest.left_out.row_count == 0 else None

    def check(self, cells: list[str], line: int, instants: tuple[int, ...], at: str, unit: str, nanos: int) -> None:
        """`at` is the line's Date & Time, `instants` are the seconds since the epoch that it can be. Amounts have a decimal
        point."""
        offset, duration, _, direction, _, _, _, card, currency, balance, movement_id = cells
        if instants and _instant(at, offset) not in instants:
            self._findings.add(f"UTC offset {offset!r} is not that of {at}", line)
        is_time = unit in ("seconds", "minutes")
        if bool(duration) != is_time or (duration and not _SECONDS.fullmatch(duration)):
            self._findings.add(f"Duration {duration!r} of a line in {unit or 'no unit'}", line)
        if direction not in ("", "outbound", "inbound"):
            self._findings.add(f"Direction {direction!r}", line)
        if not _UUID.fullmatch(movement_id):
            self._findings.add(f"Movement ID {movement_id!r} is none", line)
        self._check_balance(balance, line, nanos)
        if len(self.by_card) < _MOST_CARDS or (card, currency) in self.by_card:
            total = self.by_card[card, currency]
            total[0] += 1
            total[1] += nanos

    def finish(self, manifest: Manifest) -> None:
        """Hold the sums by rate card against the manifest's."""
        told = {
            (self._shown(card.rate_card_id or ""), card.currency): [card.row_count, card.credit_movement]
            for card in manifest.rate_cards
        }
        for card in sorted(told.keys() | self.by_card.keys()):
            found, expected = self.by_card.get(card, [0, 0]), told.get(card, [0, 0])
            if found != expected:
                self._findings.compare(f"rate card {card[0]!r} in {card[1]}", _told(found), _told(expected))

    def _check_balance(self, text: str, line: int, nanos: int) -> None:
        balance = nanos_of(text)
        if balance is None:
            self._findings.add(f"Balance after {text!r} is no amount", line)
        if self._balance is None:
            return
        self._balance += nanos
        if balance is not None and balance != self._balance:
            self._findings.add(f"Balance after is {text}, but all before make {text_of(self._balance)}", line)
            # So that one wrong line is one finding.
            self._balance = balance


def _instant(at: str, offset: str) -> int | None:
    """The seconds since the epoch of a local time that is so far ahead of UTC."""
    match = _OFFSET.fullmatch(offset)
    if match is None:
        return None
    sign, hours, minutes, seconds = match.groups(default="0")
    ahead = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()) + (ahead if sign == "-" else -ahead)


def _told(total: list[int]) -> str:
    return f"{total[0]} movements, {text_of(total[1])}"
