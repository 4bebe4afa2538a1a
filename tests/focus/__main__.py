"""`python -m tests.focus VALIDATOR`: writes exports of the format FOCUS, and has focus-validator check them by FOCUS 1.2.

All rules count but one. `InvoiceId-C-005-C` and `InvoiceId-C-004-C` are two ways to satisfy `InvoiceId-C-003-C` (a charge has
an invoice or has none), and the validator holds each of them alone, too. Credit that was paid before has no invoices.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from exporter.request.file_options import AskedFile
from tests.unit.credit_movements.verify.exported import (
    REQUESTED_AT,
    adjustment,
    detailed,
    month,
    period_of,
    top_up,
    usage,
    written,
)

# What is said of a provider: which rules are for it.
CRITERIA = (
    "MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED,PUBLIC_PRICE_LIST_SUPPORTED,SUB_ACCOUNT_SUPPORTED,TAGGING_SUPPORTED,"
    "UNIT_PRICING_SUPPORTED,USAGE_MEASUREMENT_SUPPORTED,MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED,REGION_SUPPORTED,"
    "NEGOTIATED_PRICING_SUPPORTED"
)
ONE_OF_TWO = "InvoiceId-C-005-C"
OUTCOME = re.compile(r"^\S+ ([A-Za-z]+-[A-Z]-[0-9]{3}-[A-Z]): (PASS|FAIL)", re.MULTILINE)
SIXTIETHS = {"price_units": 60, "credit_movement_nanos": -203_333_333}
BEGIN = period_of().from_micros
MONTHS = {
    # With a price that does not end: units x price is the cost only when rounded.
    "a month": [*month(), usage(REQUESTED_AT - 1, 61, 200_000_000, description="stt", unit="seconds", **SIXTIETHS)],
    # Whole amounts alone: readers guess the types of columns.
    "whole amounts": [usage(BEGIN, 3, 10**9), usage(BEGIN + 10**6, 1, 2 * 10**9, user_id=None, campaign_text=None)],
    "no usage": [top_up(BEGIN), adjustment(BEGIN, "refund", 30_000_000), adjustment(BEGIN, "chargeback", -(10**9))],
}


def failures(validator: str, folder: Path, name: str) -> list[str]:
    file = written(folder, [detailed(MONTHS[name])], asked=AskedFile(format="focus"))
    codes = folder / "focus_validator" / "rules" / "currency_codes.csv"
    codes.parent.mkdir(parents=True, exist_ok=True)
    codes.write_text("currency_codes\nEUR\n")
    said = subprocess.run(
        [validator, "--data-file", file, "--validate-version", "1.2", "--block-download", "--applicability-criteria", CRITERIA],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    outcomes = dict(OUTCOME.findall(said.stdout))
    if len(outcomes) < 100:
        return [f"it said nothing of use: {said.stdout[-2000:]}{said.stderr[-2000:]}"]
    return [rule for rule, outcome in outcomes.items() if outcome == "FAIL" and rule != ONE_OF_TWO]


def main(validator: str) -> int:
    wrong = 0
    for name in MONTHS:
        with tempfile.TemporaryDirectory() as folder:
            found = failures(validator, Path(folder), name)
        wrong += len(found)
        print(f"FOCUS 1.2, {name}: {', '.join(found) or 'nothing wrong'}")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.argv[1]).absolute())))
