"""The judge of one partition of the log: movements in, alerts out.

What it knows is a projection of the log from its beginning, so the same log leads to the same alerts, whoever reads it and in
whatever batches. What is usual changes only where a day of the log begins: with the first movement of a later day than all
before it. So a batch is cut there, and each piece is judged as a table.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from streams.alerts.judging.alerts import Alert, AlertKind
from streams.alerts.judging.balances import Balances, BalanceTable
from streams.alerts.judging.buckets import WHOLE_DAY, Buckets, bucket_codes
from streams.alerts.judging.facts import Facts, Named
from streams.alerts.judging.repeats import RecentMovements
from streams.alerts.judging.rules import MOST_TOLD_A_DAY
from streams.alerts.judging.spending import OF_ACCOUNT, OF_COUNTRY, OF_USER, Spent, Unusual, spend
from streams.events.sorted_keys import NONE, Ints, distinct
from streams.pricing.tables.name_table import NameTable

_MICROS_OF_A_DAY: Final = 86_400_000_000
_NO_DAY: Final = -1
_BALANCE_COLUMNS, _BUCKET_COLUMNS = len(BalanceTable().columns()), len(Buckets().columns())


class Judge:
    def __init__(self) -> None:
        self._accounts = NameTable()
        # Users and countries, each with its account's number.
        self._subjects = NameTable()
        self._balances = BalanceTable()
        self._buckets = Buckets()
        self._recent = RecentMovements()
        self._today = _NO_DAY
        # Of each account's slot how often it was told of its spending today.
        self._told_today = Counter[int]()

    def judge(self, facts: Facts) -> list[Alert]:
        """Take the next movements of the log. Returns the alerts that they raise, in its order."""
        if not facts.count:
            return []
        are_new = self._recent.are_new(facts.ids)
        facts = facts if are_new.all() else facts.of(np.flatnonzero(are_new))
        return [alert for piece in self._days(facts) for alert in self._judge_within_a_day(piece)]

    def _days(self, facts: Facts) -> Iterator[Facts]:
        latest = np.maximum.accumulate(np.append(self._today, facts.occurred_at // _MICROS_OF_A_DAY))
        begins = np.flatnonzero(latest[1:] > latest[:-1]).tolist()
        for begin, end in zip([0, *begins], [*begins, facts.count], strict=True):
            if begin == end:
                continue
            if latest[begin + 1] > self._today:
                self._today = int(latest[begin + 1])
                self._buckets = self._buckets.without_old(self._today)
                self._told_today.clear()
            yield facts.of(slice(begin, end))

    def _judge_within_a_day(self, facts: Facts) -> list[Alert]:
        accounts = self._numbered(facts.accounts)
        self._balances.know(len(self._accounts), self._today)
        balances = self._balances.move(accounts, facts.nanos, facts.rules, self._today, self._spent_on)
        spent = self._spent(facts, np.flatnonzero(facts.is_spent), accounts)
        unusual = self._few(spend(self._buckets, spent, self._today))
        alerts = [*_of_balances(facts, balances), *(self._of_spending(facts, balances, each) for each in unusual)]
        return sorted(alerts, key=lambda alert: (alert.offset, alert.kind, alert.subject))

    def _few(self, unusual: Iterable[Unusual]) -> Iterator[Unusual]:
        """Those that are told: the first ones of each account and day of the log."""
        for each in unusual:
            self._told_today[each.account] += 1
            if self._told_today[each.account] <= MOST_TOLD_A_DAY:
                yield each

    def _numbered(self, accounts: Named) -> Ints:
        used = distinct(accounts.codes)
        numbers = np.zeros(len(accounts.names), dtype=np.int64)
        numbers[used] = self._accounts.numbered(accounts.names.gather(pl.Series(used)))
        found: Ints = numbers[accounts.codes]
        return found

    def _spent_on(self, accounts: Ints, day: int) -> Ints:
        return self._buckets.before(
            bucket_codes(_account_slots(accounts), np.full(len(accounts), day), WHOLE_DAY), self._today
        )

    def _spent(self, facts: Facts, charges: Ints, accounts: Ints) -> Spent:
        of_charges = accounts[charges]
        users, countries = (column.of_rows(charges) for column in (facts.users, facts.countries))
        has_user, has_country = (np.flatnonzero(column.codes != NONE) for column in (users, countries))
        # A subject is its account's number and a text of either column.
        names = pl.concat([users.names, countries.names])
        texts = np.concatenate([users.codes[has_user], countries.codes[has_country] + len(users.names)])
        subjects = self._subjects_of(np.concatenate([of_charges[has_user], of_charges[has_country]]), texts, names)
        each = charges[np.concatenate([np.arange(len(charges)), has_user, has_country])]
        return Spent(
            slots=np.concatenate([_account_slots(of_charges), _subject_slots(subjects)]),
            ranks=np.repeat([OF_ACCOUNT, OF_USER, OF_COUNTRY], [len(charges), len(has_user), len(has_country)]),
            accounts=_account_slots(accounts[each]),
            rows=each,
            occurred_at=facts.occurred_at[each],
            nanos=-facts.nanos[each],
            floors=facts.rules.unusual_nanos[each],
            known_since=self._balances.known_since[accounts[each]],
        )

    def _subjects_of(self, accounts: Ints, texts: Ints, names: pl.Series) -> Ints:
        """The number of each subject: its account and its text, of which `names` has the words."""
        pairs = accounts * len(names) + texts
        used = distinct(pairs)
        of_accounts, of_names = np.divmod(used, max(len(names), 1))
        keys = pl.select(
            pl.concat_str(pl.Series(of_accounts), pl.lit(" "), names.gather(pl.Series(of_names))).alias("key")
        )["key"]
        found: Ints = self._subjects.numbered(keys)[np.searchsorted(used, pairs)]
        return found

    def _of_spending(self, facts: Facts, balances: Balances, unusual: Unusual) -> Alert:
        return Alert(
            **_told_of(facts, balances, unusual.row),
            kind=AlertKind.UNUSUAL_SPENDING,
            subject=self._subject(unusual.slot),
            window_from=unusual.begin,
            window_to=unusual.until,
            spent_nanos=unusual.spent,
            usual_nanos=unusual.usual,
            threshold_nanos=unusual.threshold,
        )

    def _subject(self, slot: int) -> str:
        number, is_subject = divmod(slot, 2)
        return str(self._subjects.names.values[number]).partition(" ")[2] if is_subject else ""

    def columns(self) -> dict[str, npt.NDArray[Any] | pl.Series]:
        """All that it knows, for `restore`."""
        tables = {"balances": self._balances.columns(), "buckets": self._buckets.columns()}
        numbered = {f"{name}-{at}": each for name, columns in tables.items() for at, each in enumerate(columns)}
        texts = {"accounts": self._accounts.names.values, "subjects": self._subjects.names.values}
        told = np.array([*self._told_today.items()], dtype=np.int64).reshape(-1, 2)
        return {**numbered, **texts, "recent": self._recent.ids, "today": np.array([self._today]), "told": told}

    def restore(self, columns: dict[str, npt.NDArray[Any] | pl.Series]) -> None:
        """Know what another one knew. Raises KeyError where something is missing."""
        self._balances = BalanceTable.of([np.asarray(columns[f"balances-{at}"]) for at in range(_BALANCE_COLUMNS)])
        self._buckets = Buckets.of([np.asarray(columns[f"buckets-{at}"]) for at in range(_BUCKET_COLUMNS)])
        for table, name in ((self._accounts, "accounts"), (self._subjects, "subjects")):
            table.numbered(pl.Series(columns[name]))
        self._recent = RecentMovements()
        self._recent.add(np.asarray(columns["recent"]))
        self._today = int(columns["today"][0])
        self._told_today = Counter(dict(np.asarray(columns["told"]).tolist()))


def _account_slots(accounts: Ints) -> Ints:
    return 2 * accounts


def _subject_slots(subjects: Ints) -> Ints:
    return 2 * subjects + 1


def _of_balances(facts: Facts, balances: Balances) -> Iterator[Alert]:
    fallen = (
        (AlertKind.LOW_BALANCE, balances.is_low, facts.rules.low_balance_nanos),
        (AlertKind.EMPTY_SOON, balances.is_soon_empty, balances.gone_soon),
    )
    for kind, are_fallen, thresholds in fallen:
        # Each of them is told, and again only after its balance has risen: they are few.
        for row in np.flatnonzero(are_fallen).tolist():
            yield Alert(
                **_told_of(facts, balances, row),
                kind=kind,
                subject="",
                window_from=int(facts.occurred_at[row]),
                window_to=None,
                trigger=str(facts.table["movement_id"][int(facts.rows[row])]),
                hours=int(facts.rules.empty_soon_hours[row]),
                threshold_nanos=int(thresholds[row]),
            )


def _told_of(facts: Facts, balances: Balances, row: int) -> dict[str, Any]:
    in_table = int(facts.rows[row])
    return {
        "offset": int(facts.offsets[row]),
        "account_id": str(facts.table["account_id"][in_table]),
        "currency": str(facts.table["currency"][in_table]),
        "raised_at": int(facts.logged_at[row]),
        "balance_nanos": balances.after.nanos(row),
    }
