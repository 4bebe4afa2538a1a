"""The lines of a file in the format FOCUS, each recomputed."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from credit_movements.verify.amounts import attos_of, nanos_of, nanos_of_product, text_of
from credit_movements.verify.findings import Findings
from credit_movements.verify.manifest import Manifest
from credit_movements.verify.reading.csv_rows import Row
from credit_movements.verify.texts import guarded, may_run

# Those that are read here, of all that a file of ours has.
_READ: Final = (
    "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory",
    "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost", "EffectiveCost", "ListCost", "ListUnitPrice", "PricingQuantity",
    "PricingUnit", "ServiceName", "x_MovementId",
)  # fmt: skip
_COSTS: Final = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")
_TIME: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_UUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SECOND: Final = timedelta(seconds=1)

Sums = dict[tuple[str, str], list[int]]


class FocusCheck:
    """Takes the lines in their order. `by_kind`: (description, unit) → [rows, units charged, nanos of the ledger]."""

    def __init__(self, manifest: Manifest, findings: Findings, by_kind: Sums) -> None:
        self._manifest = manifest
        self._findings = findings
        self._by_kind = by_kind
        # Times are cut to seconds.
        self._newest = manifest.period_from.replace(microsecond=0)
        self._currencies = {card.currency for card in manifest.rate_cards}

    def check(self, header: list[str], row: Row) -> None:
        line, cells = row
        if len(cells) != len(header):
            self._findings.add(f"{len(cells)} cells, not {len(header)}", line)
            return
        if any(may_run(cell) for cell in cells if nanos_of(_plain(cell)) is None):
            self._findings.add("a text that a spreadsheet would run as a formula", line)
        charge = dict(zip(header, cells, strict=True))
        self._check_times(charge, line)
        if charge["BillingAccountId"] != guarded(self._manifest.account_id):
            self._findings.add(f"BillingAccountId is {charge['BillingAccountId']!r}", line)
        if charge["BillingCurrency"] not in self._currencies:
            self._findings.add(
                f"BillingCurrency {charge['BillingCurrency']!r} is of no rate card of the manifest", line
            )
        if not _UUID.fullmatch(charge["x_MovementId"]):
            self._findings.add(f"x_MovementId {charge['x_MovementId']!r} is none", line)
        units, cost = self._cost(charge, line)
        if cost == 0:
            self._findings.add("a charge of nothing", line)
        total = self._by_kind[charge["ServiceName"], charge["PricingUnit"].lower()]
        total[0] += 1
        total[1] += units
        total[2] -= cost

    def _cost(self, charge: dict[str, str], line: int) -> tuple[int, int]:
        """Units, and the nanos of the cost."""
        costs = [nanos_of(_plain(charge[name])) for name in _COSTS]
        cost = costs[0]
        if cost is None or any(each != cost for each in costs):
            self._findings.add(f"{', '.join(_COSTS)} are not one amount", line)
            return 0, cost or 0
        if charge["ChargeCategory"] != "Usage":
            if charge["ChargeCategory"] not in ("Credit", "Adjustment") or charge["PricingUnit"]:
                self._findings.add(f"ChargeCategory {charge['ChargeCategory']!r} of an adjustment", line)
            return 0, cost
        units, price = nanos_of(_plain(charge["PricingQuantity"])), attos_of(_plain(charge["ListUnitPrice"]))
        if units is None or price is None or units % 10**9 or min(units, price) < 0:
            self._findings.add("PricingQuantity or ListUnitPrice is no number of ours", line)
            return 0, cost
        units //= 10**9
        expected = nanos_of_product(units, price)
        if cost != expected:
            made = f"{charge['PricingQuantity']} x {charge['ListUnitPrice']} makes {text_of(expected)}"
            self._findings.add(f"BilledCost is {charge['BilledCost']}, but {made}", line)
        return units, cost

    def _check_times(self, charge: dict[str, str], line: int) -> None:
        names = ("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd")
        times = [_instant(charge[name]) for name in names]
        begin, end, month, next_month = times
        if begin is None or end is None or month is None or next_month is None:
            self._findings.add(f"{', '.join(names)}: one of them is no time of ours", line)
            return
        if not self._manifest.period_from - _SECOND < begin < self._manifest.period_to:
            self._findings.add(f"ChargePeriodStart {charge['ChargePeriodStart']} lies outside of the period", line)
        elif begin < self._newest:
            self._findings.add(
                f"ChargePeriodStart {charge['ChargePeriodStart']} is earlier than that of the line before", line
            )
        else:
            self._newest = begin
        first = begin.replace(day=1, hour=0, minute=0, second=0)
        following = (first + timedelta(days=31)).replace(day=1)
        if end <= begin or (month, next_month) != (first, following):
            self._findings.add("a charge that ends before it begins, or is not of its month", line)


def check_header(header: list[str], findings: Findings) -> bool:
    """Whether the lines can be read by it."""
    missing = [name for name in _READ if name not in header]
    if missing or len(set(header)) != len(header):
        findings.add(f"the header is not ours: it lacks {', '.join(missing) or 'nothing, and has a name twice'}", 1)
    return not missing


def _plain(number: str) -> str:
    """Without the decimal that a whole number has there."""
    return number.removesuffix(".0")


def _instant(text: str) -> datetime | None:
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
