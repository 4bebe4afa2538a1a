"""The judge of one partition of the log: movements in, alerts out.

What it knows is a projection of the log from its beginning, so the same log leads to the same alerts, whoever reads it and in
whatever batches. What is usual changes only where a day of the log begins: with the first movement of a later day than all
before it. So a batch is cut there, and each piece is judged as a table.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.adjustments import KINDS
from streams.alerts.judging.alerts import Alert, AlertKind
from streams.alerts.judging.balances import Balances, BalanceTable
from streams.alerts.judging.buckets import WHOLE_DAY, Buckets, bucket_codes
from streams.alerts.judging.countries import NO_COUNTRY, countries
from streams.alerts.judging.repeats import RecentMovements
from streams.alerts.judging.rules import RowRules
from streams.alerts.judging.settings import AccountSettings
from streams.alerts.judging.spending import OF_ACCOUNT, OF_COUNTRY, OF_USER, Spent, Unusual, spend
from streams.events.sorted_keys import Ints
from streams.pricing.tables.name_table import NameTable

_MICROS_OF_A_DAY: Final = 86_400_000_000
_NO_DAY: Final = -1
_NOT_SPENT: Final = ("top-up", *KINDS)
_BALANCE_COLUMNS, _BUCKET_COLUMNS = len(BalanceTable().columns()), len(Buckets().columns())


class Rows(NamedTuple):
    """Movements, and where they lie: `table` has the columns of CreditMovement, `offsets` and `logged_at` (microseconds) are
    those of their records."""

    table: pl.DataFrame
    offsets: Ints
    logged_at: Ints

    def of(self, rows: Ints | slice) -> "Rows":
        return Rows(self.table[rows], self.offsets[rows], self.logged_at[rows])

    @property
    def occurred_at(self) -> Ints:
        return self.table["occurred_at"].to_numpy()

    @property
    def nanos(self) -> Ints:
        return self.table["credit_movement_nanos"].to_numpy()


class Judge:
    """`settings`: the thresholds of accounts, which others may add to between two batches."""

    def __init__(self, settings: AccountSettings) -> None:
        self._settings = settings
        # An account in another currency is another one.
        self._accounts = NameTable()
        # Users and countries, each with its account's number.
        self._subjects = NameTable()
        self._balances = BalanceTable()
        self._buckets = Buckets()
        self._recent = RecentMovements()
        self._today = _NO_DAY

    def judge(self, rows: Rows) -> list[Alert]:
        """Take the next movements of the log. Returns the alerts that they raise, in its order."""
        if not len(rows.offsets):
            return []
        are_new = self._recent.are_new(rows.table)
        rows = rows if are_new.all() else rows.of(np.flatnonzero(are_new))
        return [alert for piece in self._days(rows) for alert in self._judge_within_a_day(piece)]

    def _days(self, rows: Rows) -> Iterator[Rows]:
        latest = np.maximum.accumulate(np.append(self._today, rows.occurred_at // _MICROS_OF_A_DAY))
        begins = np.flatnonzero(latest[1:] > latest[:-1]).tolist()
        for begin, end in zip([0, *begins], [*begins, len(rows.offsets)], strict=True):
            if begin == end:
                continue
            if latest[begin + 1] > self._today:
                self._today = int(latest[begin + 1])
                self._buckets = self._buckets.without_old(self._today)
            yield rows.of(slice(begin, end))

    def _judge_within_a_day(self, rows: Rows) -> list[Alert]:
        # Polars plans each of its steps anew, which is most of what a small batch costs: so they are few.
        is_spent = (pl.col("credit_movement_nanos") < 0) & ~pl.col("description").is_in(_NOT_SPENT)
        found = rows.table.select(pl.concat_str("currency", "account_id").alias("account"), is_spent.alias("is_spent"))
        accounts = self._accounts.numbered(found["account"])
        self._balances.know(len(self._accounts), self._today)
        rules = self._settings.at(rows.table["account_id"], rows.occurred_at)
        balances = self._balances.move(accounts, rows.nanos, rules, self._today, self._spent_on)
        spent = self._spent(rows, np.flatnonzero(found["is_spent"].to_numpy()), accounts, rules)
        unusual = spend(self._buckets, spent, self._today)
        alerts = [*_of_balances(rows, balances, rules), *(self._of_spending(rows, balances, each) for each in unusual)]
        return sorted(alerts, key=lambda alert: (alert.offset, alert.kind, alert.subject))

    def _spent_on(self, accounts: Ints, day: int) -> Ints:
        return self._buckets.before(
            bucket_codes(_account_slots(accounts), np.full(len(accounts), day), WHOLE_DAY), self._today
        )

    def _spent(self, rows: Rows, charges: Ints, accounts: Ints, rules: RowRules) -> Spent:
        table, of_charges = rows.table[charges], accounts[charges]
        account, code = pl.lit(pl.Series(of_charges)), pl.Series(countries(table["destination"]))
        subjects = table.select(
            pl.concat_str(account, pl.lit(" user:"), "user_id").alias("user"),
            pl.when(code != NO_COUNTRY).then(pl.concat_str(account, pl.lit(" country:+"), code)).alias("country"),
        )
        has_user, has_country = (np.flatnonzero(subjects[name].is_not_null().to_numpy()) for name in subjects.columns)
        named = pl.concat([subjects["user"].alias(""), subjects["country"].alias("")]).drop_nulls()
        slots = [_account_slots(of_charges), _subject_slots(self._subjects.numbered(named))]
        each = charges[np.concatenate([np.arange(len(charges)), has_user, has_country])]
        return Spent(
            slots=np.concatenate(slots),
            ranks=np.repeat([OF_ACCOUNT, OF_USER, OF_COUNTRY], [len(charges), len(has_user), len(has_country)]),
            accounts=_account_slots(accounts[each]),
            rows=each,
            occurred_at=rows.occurred_at[each],
            nanos=-rows.nanos[each],
            floors=rules.unusual_nanos[each],
            known_since=self._balances.known_since[accounts[each]],
        )

    def _of_spending(self, rows: Rows, balances: Balances, unusual: Unusual) -> Alert:
        return Alert(
            **_told_of(rows, balances, unusual.row),
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
        return {**numbered, **texts, "recent": self._recent.ids, "today": np.array([self._today])}

    def restore(self, columns: dict[str, npt.NDArray[Any] | pl.Series]) -> None:
        """Know what another one knew. Raises KeyError where something is missing."""
        self._balances = BalanceTable.of([np.asarray(columns[f"balances-{at}"]) for at in range(_BALANCE_COLUMNS)])
        self._buckets = Buckets.of([np.asarray(columns[f"buckets-{at}"]) for at in range(_BUCKET_COLUMNS)])
        for table, name in ((self._accounts, "accounts"), (self._subjects, "subjects")):
            table.numbered(pl.Series(columns[name]))
        self._recent = RecentMovements()
        self._recent.add(np.asarray(columns["recent"]))
        self._today = int(columns["today"][0])


def _account_slots(accounts: Ints) -> Ints:
    return 2 * accounts


def _subject_slots(subjects: Ints) -> Ints:
    return 2 * subjects + 1


def _of_balances(rows: Rows, balances: Balances, rules: RowRules) -> Iterator[Alert]:
    movement_ids, occurred_at = rows.table["movement_id"], rows.occurred_at
    fallen = (
        (AlertKind.LOW_BALANCE, balances.is_low, rules.low_balance_nanos),
        (AlertKind.EMPTY_SOON, balances.is_soon_empty, balances.gone_soon),
    )
    for kind, are_fallen, thresholds in fallen:
        # Each of them is told, and again only after its balance has risen: they are few.
        for row in np.flatnonzero(are_fallen).tolist():
            yield Alert(
                **_told_of(rows, balances, row),
                kind=kind,
                subject="",
                window_from=int(occurred_at[row]),
                window_to=None,
                trigger=str(movement_ids[row]),
                hours=int(rules.empty_soon_hours[row]),
                threshold_nanos=int(thresholds[row]),
            )


def _told_of(rows: Rows, balances: Balances, row: int) -> dict[str, Any]:
    return {
        "offset": int(rows.offsets[row]),
        "account_id": str(rows.table["account_id"][row]),
        "currency": str(rows.table["currency"][row]),
        "raised_at": int(rows.logged_at[row]),
        "balance_nanos": balances.after.nanos(row),
    }
