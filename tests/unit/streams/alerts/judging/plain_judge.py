"""A judge that takes one movement at a time, written from the rules and not from the code that it is held against."""

from collections import defaultdict
from typing import Any

from streams.alerts.judging.rules import Rules

HOUR = 3_600_000_000
# More is told as this much.
MOST = 2**59
Key = tuple[str, ...]


class PlainJudge:
    """`settings`: account → (effective from, rules), in the order of time. `alerts`: kind, account, subject, window, spent or
    balance, usual, threshold."""

    def __init__(self, rules: Rules, settings: dict[str, list[tuple[int, Rules]]] | None = None) -> None:
        self.rules = rules
        self.settings = settings or {}
        self.today = -1
        self.balance: dict[Key, int] = defaultdict(int)
        self.states: dict[tuple[str, Key], str] = defaultdict(lambda: "never there")
        self.known_since: dict[Key, int] = {}
        # (whose, day, hour or "day") → what was spent, now and when the day of the log began
        self.spent: dict[tuple[Key, int, object], int] = defaultdict(int)
        self.yesterdays = dict(self.spent)
        self.counts: dict[tuple[Key, int, object], int] = defaultdict(int)
        self.told: set[tuple[Key, int]] = set()
        self.alerts: list[tuple[Any, ...]] = []
        self.is_told = False
        self.told_today: dict[Key, int] = defaultdict(int)

    def take(self, movement: dict[str, Any], offset: int) -> None:
        account = movement["currency"], movement["account_id"]
        at, nanos = movement["occurred_at"], movement["credit_movement_nanos"]
        day, hour = divmod(at // HOUR, 24)
        if day > self.today:
            self.today, self.yesterdays = day, dict(self.spent)
            self.told_today.clear()
        self.known_since.setdefault(account, self.today)
        rules = self.rules_of(account[1], at)
        self.balance[account] += nanos
        window = (at, None)
        self._fall("low_balance", account, rules.low_balance_nanos, offset, window)
        gone = self._pace(account) * rules.empty_soon_hours
        self._fall("empty_soon", account, gone, offset, window)
        is_charge = nanos < 0 and movement["unit"] != ""
        if not is_charge or day < self.today - 35:
            return
        for whose, _ in self._whose(account, movement):
            for part in (hour, "day"):
                self.spent[whose, day, part] = min(self.spent[whose, day, part] - nanos, MOST)
                self.counts[whose, day, part] += 1
        self.is_told = False
        for whose, subject in self._whose(account, movement):
            for part, length in ((hour, 1), ("day", 24)):
                begin = (day * 24 + (hour if length == 1 else 0)) * HOUR
                window = (begin, begin + length * HOUR)
                self._unusual(account, whose, subject, day, part, rules, offset, window)

    def rules_of(self, account_id: str, at: int) -> Rules:
        in_force = [rules for begin, rules in self.settings.get(account_id, []) if begin <= at]
        return in_force[-1] if in_force else self.rules

    def _whose(self, account: Key, movement: dict[str, Any]) -> list[tuple[Key, str]]:
        """Who says more comes first."""
        whose = []
        if movement["user_id"] is not None:
            whose.append(((*account, "user", movement["user_id"]), f"user:{movement['user_id']}"))
        if movement["destination"] is not None:
            country = movement["destination"][1:3]
            whose.append(((*account, "country", country), f"country:+{country}"))
        return [*whose, (account, "")]

    def _fall(self, kind: str, account: Key, threshold: int, offset: int, window: tuple[int, int | None]) -> None:
        state, balance = self.states[kind, account], self.balance[account]
        if balance < threshold:
            if state == "above":
                if kind == "low_balance" or threshold > 0:
                    told = balance if -(2**63) <= balance < 2**63 else None
                    self.alerts.append((offset, kind, account[1], "", *window, told, None, threshold))
                self.states[kind, account] = "told"
        elif state == "never there" or balance >= threshold + abs(threshold) // 2:
            self.states[kind, account] = "above"

    def _pace(self, account: Key) -> int:
        days = min(3, self.today - self.known_since[account])
        spent = [self.yesterdays.get((account, self.today - back, "day"), 0) for back in range(1, days + 1)]
        return sum(each // (24 * days) for each in spent)

    def _usual(self, account: Key, whose: Key, day: int, part: object, known: int) -> tuple[int, int]:
        days = [day - back for back in range(1, min(28, known) + 1)]
        used = [each for each in days if self.yesterdays.get((account, each, "day"), 0)]
        past = sorted(self.yesterdays.get((whose, each, part), 0) for each in used)
        if not past:
            return 0, 0
        median = past[(len(past) - 1) // 2]
        return median, sorted(abs(each - median) for each in past)[(len(past) - 1) // 2]

    def _unusual(
        self,
        account: Key,
        whose: Key,
        subject: str,
        day: int,
        part: object,
        rules: Rules,
        offset: int,
        window: tuple[int, int],
    ) -> None:
        known = day - self.known_since[account]
        if known < 7 or (whose, day) in self.told:
            return
        median, deviation = self._usual(account, whose, day, part, known)
        floor = rules.unusual_nanos * (3 if part == "day" else 1)
        if median == 0 and self.counts[whose, day, part] >= 5:
            floor //= 2
        if subject:
            floor = max(floor, self._usual(account, account, day, part, known)[0] // 2)
        threshold = median + max(9 * deviation, 2 * median, floor)
        if self.spent[whose, day, part] > threshold:
            self.told.add((whose, day))
            if self.is_told:
                return
            self.is_told = True
            self.told.add((account, day))
            self.told_today[account] += 1
            if self.told_today[account] > 3:
                return
            spent = self.spent[whose, day, part]
            self.alerts.append((offset, "unusual_spending", account[1], subject, *window, spent, median, threshold))
