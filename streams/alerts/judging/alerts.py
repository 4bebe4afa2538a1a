"""What is told: the kinds of alerts, their ids, and what they say to a customer."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from streams.alerts.judging.amounts import plain

# Of our own ids (RFC 9562, version 5), never to be changed: a told alert is known by its id.
_NAMESPACE: Final = uuid.UUID("6d0f7c57-5f0e-5d5f-9c5f-6a8a3f2f6b11")
_SECOND: Final = 10**6
_CENT: Final = 10**7


class AlertKind(StrEnum):
    LOW_BALANCE = "low_balance"
    EMPTY_SOON = "empty_soon"
    UNUSUAL_SPENDING = "unusual_spending"


@dataclass(frozen=True)
class Alert:
    """One alert. `offset`: of the movement that raised it. `trigger`: the id of that movement, where the alert is about the
    balance; '' where the window alone says which alert it is. `subject`: '' or as the record has it. `hours`: within which the
    balance is gone, where it is about that. Amounts are None where nothing is to be said."""

    offset: int
    kind: AlertKind
    account_id: str
    subject: str
    window_from: int
    window_to: int | None
    currency: str
    raised_at: int
    trigger: str = ""
    hours: int = 0
    balance_nanos: int | None = None
    spent_nanos: int | None = None
    usual_nanos: int | None = None
    threshold_nanos: int | None = None

    @property
    def alert_id(self) -> str:
        """The same for the same account, kind, subject, currency and window, whoever raises it and however often."""
        window = f"{self.window_from} {self.window_to} {self.trigger}"
        # An account id may have any character but it stands last, so no two alerts make one text.
        parts = (self.kind.value, window, self.currency, str(len(self.subject)), self.subject, self.account_id)
        return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))

    @property
    def record(self) -> dict[str, Any]:
        """As CreditAlert has it."""
        return {
            "alert_id": self.alert_id, "account_id": self.account_id, "kind": self.kind.value,
            "subject": self.subject or None, "window_from": self.window_from, "window_to": self.window_to,
            "currency": self.currency, "balance_nanos": self.balance_nanos, "spent_nanos": self.spent_nanos,
            "usual_nanos": self.usual_nanos, "threshold_nanos": self.threshold_nanos, "message": self.message,
            "raised_at": self.raised_at,
        }  # fmt: skip

    @property
    def message(self) -> str:
        """One line, whatever a user's name has in it."""
        match self.kind:
            case AlertKind.LOW_BALANCE:
                threshold = self._money(self.threshold_nanos)
                return f"Your balance has fallen below {threshold}: it is {self._money(self.balance_nanos)}."
            case AlertKind.EMPTY_SOON:
                pace = self._money(_in_cents(self.threshold_nanos))
                return (
                    f"Your balance is {self._money(self.balance_nanos)}. As you have spent in the last days, {pace} are gone"
                    f" within {self.hours} hours."
                )
            case AlertKind.UNUSUAL_SPENDING:
                return (
                    f"{self._who} {self._money(self.spent_nanos)} {self._when}. Usual for that time is"
                    f" {self._money(self.usual_nanos)}."
                )

    @property
    def _who(self) -> str:
        kind, _, name = _one_line(self.subject).partition(":")
        if kind == "user":
            return f"User {name} has spent"
        return f"Calls and messages to {name} have cost" if kind == "country" else "Your account has spent"

    @property
    def _when(self) -> str:
        begin, end = (datetime.fromtimestamp((at or 0) // _SECOND, UTC) for at in (self.window_from, self.window_to))
        day = f"on {begin.day} {begin:%B %Y}"
        return f"{day} (UTC)" if (end - begin).days else f"{day} between {begin:%H:%M} and {end:%H:%M} (UTC)"

    def _money(self, nanos: int | None) -> str:
        return f"{plain(nanos)} {self.currency}" if nanos is not None else "unknown"


def _in_cents(nanos: int | None) -> int | None:
    """A pace is no exact amount. It is rounded up: what is gone is then never told as less than the balance that it exceeds."""
    return None if nanos is None else -(-nanos // _CENT) * _CENT


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
