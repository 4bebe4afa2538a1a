"""How well a watch finds fraud: `python -m benchmarks.alerts [EVENTS [SEED ...]]`.

Of the first seed it shows each fraud, of all of them how many were found in time, and how often an account was alarmed wrongly.
"""

import sys

from benchmarks.alerts.found import NANOS, Found, FoundFraud, found
from benchmarks.alerts.frauds import FRAUDS
from benchmarks.alerts.month import SEED, month
from benchmarks.results import save

_IN_TIME_SECONDS = 300


def main(events: int, seeds: list[int]) -> None:
    results = []
    for seed in seeds:
        made = month(events, seed)
        results.append(found(made))
        if seed == seeds[0]:
            _show(len(made.movements), results[0])
        print(_summary(seed, results[-1]))
    wrong = [dict(result.wrong) for result in results]
    per_second = [result.per_second for result in results]
    save("alerts", {"events": events, "seeds": seeds, "per_second": per_second, "false_alarms": wrong})


def _show(movements: int, result: Found) -> None:
    print(f"{movements:,} movements of 50 accounts in 31 days; told: {dict(result.told)}\n")
    print("| fraud | would have cost | until the alert | after its first record | told of |")
    print("|---|---|---|---|---|")
    for each in result.frauds:
        print(_line(each))
    print()


def _line(each: FoundFraud) -> str:
    if each.cost_until_nanos is None or each.after_first_seconds is None:
        return f"| {each.fraud.what} | {each.cost_nanos / NANOS:,.0f} | not found | | |"
    cost = f"{each.cost_nanos / NANOS:,.0f} | {each.cost_until_nanos / NANOS:,.0f}"
    about = each.alerts[0].subject or "account"
    return f"| {each.fraud.what} | {cost} | {_told(each.after_first_seconds)} | {about} |"


def _told(seconds: int) -> str:
    minutes, hours, days = seconds // 60, seconds // 3_600, seconds // 86_400
    if days:
        return f"{days} days {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{seconds} s"


def _summary(seed: int, result: Found) -> str:
    after = [each.after_first_seconds for each in result.frauds[: len(FRAUDS)]]
    quick = [each for each in after if each is not None]
    in_time = sum(each <= _IN_TIME_SECONDS for each in quick)
    harder = sum(bool(each.alerts) for each in result.frauds[len(FRAUDS) :])
    times = f"{in_time} of {len(after)} found within 5 minutes ({min(quick)} to {max(quick)} s)"
    wrong = f"false alarms, by account: {dict(result.wrong)}"
    return f"seed {seed}: {times}, {harder} of the harder ones; {wrong}; {result.per_second:,.0f} movements/s of one processor"


if __name__ == "__main__":
    events, *seeds = [int(each) for each in sys.argv[1:]] or [300_000]
    main(events, seeds or [SEED])
