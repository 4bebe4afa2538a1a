"""How well a watch finds fraud: `python -m benchmarks.alerts [EVENTS]`."""

import sys

from benchmarks.alerts.found import NANOS, FoundFraud, found
from benchmarks.alerts.month import month
from benchmarks.results import save


def main(events: int) -> None:
    made = month(events)
    result = found(made)
    print(f"{len(made.movements):,} movements of 50 accounts in 31 days; told: {dict(result.told)}")
    print(f"judged {result.per_second:,.0f} movements a second of one processor\n")
    print("| fraud | cost | until the alert | after its first record | after it had cost 20 in an hour |")
    print("|---|---|---|---|---|")
    for each in result.frauds:
        print(_line(each))
    print(f"\nfalse alarms, by account: {dict(result.wrong)}")
    save(
        "alerts",
        {"movements": len(made.movements), "per_second": result.per_second, "false_alarms": dict(result.wrong)},
    )


def _line(each: FoundFraud) -> str:
    fraud = each.fraud
    what = f"+{fraud.prefix}, {fraud.lines} lines, {fraud.minutes} min from {fraud.hour:02}:00"
    if each.cost_until_nanos is None:
        return f"| {what} | {each.cost_nanos / NANOS:,.0f} | not found | | |"
    shown = "never" if each.after_shown_seconds is None else f"{each.after_shown_seconds} s"
    cost = f"{each.cost_nanos / NANOS:,.0f} | {each.cost_until_nanos / NANOS:,.0f}"
    return f"| {what} | {cost} | {each.after_first_seconds} s | {shown} |"


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["1000000"])[0]))
