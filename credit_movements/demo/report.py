"""What the demo prints, and whether all its figures hold."""

import csv
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from credit_movements.demo.answer import Answer
from credit_movements.demo.company import Company, Outcomes
from credit_movements.demo.company_oracle import CompanyOracle
from credit_movements.demo.oracle import NANO
from credit_movements.demo.refunds import MISTYPED
from credit_movements.demo.scenario import DEMO_ZONE, DemoResult
from credit_movements.demo.shown.spending import charged_by_day_and_type, days, show_spending
from credit_movements.verify.amounts import text_of
from credit_movements.verify.details import COLUMNS as DETAILS
from credit_movements.verify.reading.sheet_rows import sheet_rows
from credit_movements.verify.rows import COLUMNS
from credit_movements.verify.verification import NUMBERS, manifest_beside, verified
from credit_movements.whatif.service import accounts_of

_FIRST_LINES = 8
# What a narrow screen has no room for: Interaction ID and Units.
_LEFT_OUT = frozenset({1, 3})
_FIRST_NUMBER = 4
_WIDE = 130
# Of what a detailed file has more: as much as fits on a screen.
_SHOWN_DETAILS = ("Date & Time", "User", "From", "To", "Destination name", "Balance after")
_FIRST_DETAILS = 5
_ALL_COLUMNS = [*COLUMNS, *DETAILS]
_TIMES = frozenset({"period_from", "period_to", "expires_at", "notified_at", "data_complete_until"})


class Report:
    """Prints the result section by section; `holds` is False as soon as one figure is not what it must be."""

    def __init__(self, company: Company, result: DemoResult, console: Console) -> None:
        self._company = company
        self._result = result
        self._console = console
        self.holds = True

    def show(self) -> None:
        published = self._result.refunds, self._result.stolen
        self._show_outcomes(CompanyOracle(self._company, *published).everything())
        answer = CompanyOracle(self._company, *published).account(self._company.showcase_account_id)
        self._show_balance(answer)
        self._show_notification()
        self._show_file(answer)
        self._show_spending(answer)
        self._show_refund()
        self._show_mails()
        self._show_alert(answer)
        self._show_detailed(answer)
        self._show_mended()

    def _check(self, what: str, holds: bool) -> None:
        self.holds = self.holds and holds
        self._console.print(f"  [green]✓[/] {escape(what)}" if holds else f"  [bold red]✗ {escape(what)}[/]")

    def _show_outcomes(self, expected: dict[str, Outcomes]) -> None:
        found = self._result.outcomes
        table = Table("What became of", *found, title="Every event ends as exactly one thing")
        for column in table.columns[1:]:
            column.justify = "right"
        rows = {topic: dict(_outcome_rows(outcomes)) for topic, outcomes in found.items()}
        for name in dict.fromkeys(name for of_topic in rows.values() for name in of_topic):
            table.add_row(name, *(f"{rows[topic].get(name, 0):,}" for topic in found))
        table.add_section()
        table.add_row("sum", *(f"{outcomes.messages:,}" for outcomes in found.values()))
        table.add_row("read by the rater", *(f"{self._result.read[topic]:,}" for topic in found))
        self._console.print()
        self._console.print(table)
        total = sum(self._result.read.values())
        self._console.print(f"  {total:,} events published, rated and stored in {self._result.seconds:.1f} s")
        self._check(
            "movements + duplicates + dead letters = events read",
            all(outcomes.messages == self._result.read[topic] for topic, outcomes in found.items()),
        )
        self._check("each count is the one that an independent oracle for the same events comes to", found == expected)

    def _show_balance(self, answer: Answer) -> None:
        account_id = self._company.showcase_account_id
        self._console.print(f"\n[bold]Balance of {escape(account_id)}[/]")
        for each in self._result.balances:
            self._console.print(f"  {plain(each.amount)} {each.currency} after {each.movements:,} movements")
        amounts = [each.amount for each in self._result.balances]
        self._check(f"the oracle's sum, to the nano: {plain(answer.balance)}", amounts == [answer.balance])

    def _show_notification(self) -> None:
        notifications = self._result.notifications
        self._console.print("\n[bold]What the e-mail service gets[/] (topic export-notifications)")
        for name, value in notifications[0].items():
            if value is not None:
                shown = f"{value} ({_utc(value)})" if name in _TIMES else value
                self._console.print(f"  {name:20} {shown}", highlight=False, markup=False, soft_wrap=True)
        ids = [each["export_id"] for each in notifications]
        self._check("two clicks, one export, one notification", ids == [self._result.requests[0]["request_id"]])

    def _show_file(self, answer: Answer) -> None:
        path, notification = self._result.csv_file, self._result.notifications[0]
        rows = _rows(path)
        is_narrow = self._console.width < _WIDE
        shown = [number for number in range(len(rows[0])) if not (is_narrow and number in _LEFT_OUT)]
        left_out = " (without Interaction ID and Units)" if is_narrow else ""
        caption = f"{len(rows) - 1:,} lines, the first {_FIRST_LINES} shown{left_out}"
        table = Table(title=path.name, caption=caption, box=None, padding=(0, 1, 0, 0), header_style="bold underline")
        for number in shown:
            longest = max(len(row[number]) for row in rows[1 : _FIRST_LINES + 1])
            justify: Literal["left", "right"] = "right" if number >= _FIRST_NUMBER else "left"
            heading = rows[0][number].replace(" ", "\n") if is_narrow else rows[0][number]
            table.add_column(heading, min_width=longest, justify=justify)
        for row in islice(rows, 1, _FIRST_LINES + 1):
            table.add_row(*(Text(row[number]) for number in shown))
        self._console.print()
        self._console.print(table)
        self._console.print(f"\n  The file: {path}", highlight=False, markup=False, soft_wrap=True)
        lines = answer.exported(notification["period_from"], notification["period_to"])
        expected = [(_guarded(line.interaction_id), line.description, line.credit_movement) for line in lines]
        found = [(row[1], row[2], Decimal(row[6])) for row in rows[1:]]
        total = sum((amount for _, _, amount in found), Decimal(0))
        self._check(f"sum of the file: {plain(total)}, the oracle's: {plain(_sum(expected))}", total == _sum(expected))
        self._check("each of its lines is the oracle's, in order", found == expected)
        self._check("size and SHA-256 are those of the notification", _fits(path, notification))

    def _show_refund(self) -> None:
        """The call and its refund in the file, and what the manifest says of both."""
        refund, path = self._result.refunds[0], self._result.csv_file
        about = [row for row in _rows(path)[1:] if row[1] == _guarded(refund["interaction_id"])]
        self._console.print("\n[bold]What support gave back[/] (topic adjustment-events, sent twice)")
        self._console.print(f"  why: {refund['reason']}", highlight=False, markup=False)
        for row in about:
            self._console.print(f"  {row[0]}  {row[2]:8} {row[6]:>14}", highlight=False, markup=False)
        amounts = [Decimal(row[6]) for row in about]
        given_back = refund["amount_nanos"] * NANO
        self._check(
            "the charge stands, one refund follows it, and they add up to 0", amounts == [-given_back, given_back]
        )
        manifest = json.loads(manifest_beside(path).read_text(encoding="utf-8"))
        told = " + ".join(
            f"{manifest[name]} ({name})" for name in ("opening_balance", "charges", "top_ups", "adjustments")
        )
        self._console.print(f"  manifest: {told} = {manifest['closing_balance']}", highlight=False, soft_wrap=True)
        self._check("its adjustments are that refund", Decimal(manifest["adjustments"]) == given_back)

    def _show_mails(self) -> None:
        self._console.print("\n[bold]What the customer gets[/] (made by examples/export_mails.py)")
        for eml in self._result.mails:
            self._show_mail(eml)

    def _show_mail(self, eml: Path) -> None:
        for what, path in (("mail", eml), ("preview", eml.with_suffix(".html"))):
            self._console.print(f"  The {what}: {path}", highlight=False, markup=False, soft_wrap=True)

    def _show_alert(self, answer: Answer) -> None:
        """What the account was told of the night's theft, and what all of that cost."""
        alert, ids = self._result.alerts[0], {each["event_id"] for each in self._result.stolen}
        cost = -sum((line.credit_movement for line in answer.lines if line.movement_id in ids), Decimal(0))
        told = alert["spent_nanos"] * NANO
        self._console.print(f"\n[bold]Who called Jamaica {len(ids)} times at night?[/] (topic credit-alerts)")
        self._console.print(f"  {alert['message']}", highlight=False, markup=False, soft_wrap=True)
        self._show_mail(self._result.alert_mail)
        self._console.print("  When an account is told what, and how to set it: docs/how-to/alerts.md", highlight=False)
        self._check(
            f"told once, with {plain(told)} of the {plain(cost)} {alert['currency']} that the theft cost in all",
            len(self._result.alerts) == 1 and 3 * told < cost,
        )

    def _show_detailed(self, answer: Answer) -> None:
        """The file of another form, read by what reads it for `verify`."""
        path, notification = self._result.detailed
        manifest, findings = verified(path, None)
        table = Table(title=path.name, box=None, padding=(0, 1, 0, 0), header_style="bold underline")
        for name in _SHOWN_DETAILS:
            table.add_column(name, overflow="fold")
        rows = sheet_rows(path, len(_ALL_COLUMNS), NUMBERS, findings)
        shown = ([row[_ALL_COLUMNS.index(name)] for name in _SHOWN_DETAILS] for _, row in islice(rows, 1, None))
        for cells in islice(filter(all, shown), _FIRST_DETAILS):
            table.add_row(*map(Text, cells))
        self._console.print("\n[bold]What the accountant gets[/] (request-export --columns detailed --format xlsx)")
        self._console.print(table)
        self._console.print(f"\n  The file: {path}", highlight=False, markup=False, soft_wrap=True)
        lines = answer.exported(notification["period_from"], notification["period_to"])
        self._check(
            f"verify recomputes its {manifest.row_count:,} lines and each balance: nothing is wrong",
            not findings.count and manifest.row_count == len(lines),
        )
        self._check(
            f"its last balance is the account's: {text_of(manifest.closing_balance)}",
            Decimal(manifest.closing_balance) * NANO == answer.balance,
        )

    def _show_mended(self) -> None:
        """What finance found out by `rates diff`, and what came of the file of corrections."""
        before, after = self._result.mended.before, self._result.mended.after
        assert before.written is not None
        accounts = accounts_of(before).filter(pl.col("difference") != 0)
        given = {currency: Decimal(nanos) * NANO for currency, nanos, _ in before.written.by_currency()}
        told = ", ".join(f"{plain(amount)} {currency}" for currency, amount in given.items())
        touched = f"{before.written.events:,} movements of {len(accounts):,} accounts"
        self._console.print(
            "\n[bold]What a wrong price took, and how it is made good[/] (rates diff --against P30D --adjust)"
        )
        self._console.print(
            f"  calls to {MISTYPED} should have cost half: {touched}, {told}", highlight=False, soft_wrap=True
        )
        self._check("its corrections, published twice, are booked once, to the nano", self._result.corrected == given)
        self._check("nothing is left to correct", after.written is not None and not after.written.events)

    def _show_spending(self, answer: Answer) -> None:
        first, end = (self._result.notifications[0][name] for name in ("period_from", "period_to"))
        of_period = days(first, end, DEMO_ZONE)
        show_spending(self._console, self._company.showcase_account_id, self._result.spending, of_period)
        expected = charged_by_day_and_type(answer.exported(first, end), DEMO_ZONE)
        found = {row["key"]: row["charges"] for row in self._result.spending if row["charges"]}
        self._check("each day and type is the oracle's, to the nano", found == expected)


def plain(amount: Decimal) -> str:
    """A decimal without exponent and without trailing zeros."""
    return f"{amount.normalize():f}"


def _utc(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros // 10**6, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _outcome_rows(outcomes: Outcomes) -> Iterator[tuple[str, int]]:
    yield "movements", outcomes.movements
    yield "duplicates, dropped", outcomes.duplicates
    for reason, count in outcomes.dead_letters.items():
        yield f"dead letters: {reason}", count


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _guarded(text: str) -> str:
    """As the CSV writes a text that a spreadsheet would run as a formula."""
    return f"'{text}" if text.lstrip("\0").startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20\t\r\n")) else text


def _sum(lines: list[tuple[str, str, Decimal]]) -> Decimal:
    return sum((amount for _, _, amount in lines), Decimal(0))


def _fits(path: Path, notification: dict[str, Any]) -> bool:
    content = path.read_bytes()
    return (len(content), hashlib.sha256(content).hexdigest()) == (notification["size_bytes"], notification["sha256"])
