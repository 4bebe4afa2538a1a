"""`python -m tests.focus FOLDER`: writes exports of the format FOCUS, and has focus-validator check them by FOCUS 1.2.

All rules count but one. `InvoiceId-C-005-C` and `InvoiceId-C-004-C` are two ways to satisfy `InvoiceId-C-003-C` (a charge has
an invoice or has none), and the validator holds each of them alone, too. Credit that was paid before has no invoices.
"""

import contextlib
import io
import sys
import tempfile
import warnings
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
# So many are for such a provider; fewer, and the validator is another one than this was written for.
LEAST_RULES = 250
SIXTIETHS = {"price_units": 60, "credit_movement_nanos": -203_333_333}
BEGIN = period_of().from_micros
MONTHS = {
    # With a price that does not end: units x price is the cost only when rounded.
    "a month": [*month(), usage(REQUESTED_AT - 1, 61, 200_000_000, description="stt", unit="seconds", **SIXTIETHS)],
    # Whole amounts alone: readers guess the types of columns.
    "whole amounts": [usage(BEGIN, 3, 10**9), usage(BEGIN + 10**6, 1, 2 * 10**9, user_id=None, campaign_text=None)],
    "no usage": [top_up(BEGIN), adjustment(BEGIN, "refund", 30_000_000), adjustment(BEGIN, "chargeback", -(10**9))],
}


def failures(folder: Path, file: Path) -> list[str]:
    """The rules that the validator says `file` breaks, but for ONE_OF_TWO. `folder` is the one that it runs in."""
    from focus_validator.validator import Validator

    # Its package lacks the list of currency codes, which it looks for in the folder that it is run in.
    codes = folder / "focus_validator" / "rules" / "currency_codes.csv"
    codes.parent.mkdir(parents=True, exist_ok=True)
    codes.write_text("currency_codes\nEUR\n")
    # It prints what it also returns.
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        validator = Validator(
            data_filename=str(file), output_destination=None, output_type="console", rules_version="1.2",
            focus_dataset="CostAndUsage", rules_block_remote_download=True, applicability_criteria=CRITERIA,
        )  # fmt: skip
        outcomes = validator.validate().by_rule_id
    judged = {rule: each["ok"] for rule, each in outcomes.items() if not each["details"].get("skipped")}
    if len(judged) < LEAST_RULES:
        return [f"only {len(judged)} rules were judged"]
    return [rule for rule, is_kept in judged.items() if not is_kept and rule != ONE_OF_TWO]


def main(packages: str) -> int:
    # Behind our own: what both have is ours.
    sys.path.append(packages)
    warnings.simplefilter("ignore")
    wrong = 0
    for name, rows in MONTHS.items():
        with tempfile.TemporaryDirectory() as folder:
            file = written(Path(folder), [detailed(rows)], asked=AskedFile(format="focus"))
            found = failures(Path(folder), file)
        wrong += len(found)
        print(f"FOCUS 1.2, {name}: {', '.join(found) or 'nothing wrong'}")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.argv[1]).absolute())))
