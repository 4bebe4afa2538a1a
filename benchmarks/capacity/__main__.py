"""What a load needs: `python -m benchmarks.capacity --events-per-second 1000000 --rows 100000000000 [--days 365]`."""

import argparse
from dataclasses import fields

from benchmarks.capacity.plan import (
    Assumptions,
    Load,
    Points,
    clickhouse_bytes,
    kafka_bytes,
    most_events_of_one_account,
    needs,
    rater_disk_gigabytes,
    rater_memory_mebibytes,
    stated,
    walls,
)


def shown(load: Load, given: Assumptions) -> str:
    points = Points()
    found = needs(load, points, given)
    raters = next(need.number for need in found if need.what == "raters")
    lines = [
        f"{load.events_per_second:,.0f} events/s at the busiest, {load.rows:,.0f} rows of {load.days:g} days"
        f" ({load.events_a_day / 86_400:,.0f} events/s on average), {load.exports_per_second:g} exports/s of"
        f" {load.export_rows:,.0f} rows",
        "",
        *(f"{need.number:>6,}  {need.what}: {need.decided_by}" for need in found),
        "",
        f"Kafka keeps {kafka_bytes(load, points) / 1e12:,.1f} TB ({kafka_bytes(load, points, zstd=True) / 1e12:,.1f} where"
        f" producers compress), ClickHouse {clickhouse_bytes(load, points) / 1e12:,.1f} TB, one copy of each.",
        f"Each rater: {rater_disk_gigabytes(load, points, raters):,.0f} GB of disk,"
        f" {rater_memory_mebibytes(load, points, raters):,.0f} MiB of memory and what the system keeps of its files.",
        f"One account: at most {most_events_of_one_account(points, given):,.0f} events/s, since it is in one partition.",
        "",
        "Where more machines are no help, the nearest first:",
        *(
            f"{wall.used:>6.1%}  of {wall.most:,.0f} {wall.what}; then {wall.then}"
            for wall in walls(load, points, given)
        ),
        "",
        "Assumed, not measured: " + ", ".join(stated(given)),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    for kind in (Load, Assumptions):
        for each in fields(kind):
            given = {"required": True} if each.name in ("events_per_second", "rows") else {"default": each.default}
            parser.add_argument(f"--{each.name.replace('_', '-')}", type=float, **given)
    options = vars(parser.parse_args())
    load, assumed = (kind(**{each.name: options[each.name] for each in fields(kind)}) for kind in (Load, Assumptions))
    print(shown(load, assumed))


if __name__ == "__main__":
    main()
