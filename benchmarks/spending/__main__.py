"""How long a balance and spending take, however long an account's history is: `python -m benchmarks.spending [ROWS [LIKE]]`.

One account has ROWS movements of 13 months, a hundred users and two hundred destinations, made inside ClickHouse. Each
question is asked with the sums of blocks and without them, several times: the median of the seconds, the slowest, and
ClickHouse's processor seconds. LIKE: blocks are so small that the account has as many of them, and so as many sums, as one with
LIKE movements (or with fewer, where other accounts' records lie between them)."""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from benchmarks.growth.shown import three_figures
from benchmarks.proc import processor_seconds
from benchmarks.product import command
from benchmarks.results import save
from credit_movements import clickhouse
from credit_movements.settings import settings_of
from credit_movements.stack.servers import servers
from sinks.read.balance import read_balance
from sinks.read.slice import MovementsSlice
from sinks.read.spending import spending
from sinks.read.summed.grains import BLOCK_OFFSETS, BY_KEY, BY_QUARTER
from sinks.read.totals import read_totals
from sinks.write.sums.fill import fill

ROWS: Final = 11_600_000
_TIMES: Final = 9
_DAYS: Final = 395
_ACCOUNT: Final = "acme"
_ZONE: Final = "Europe/Berlin"
_INSERT_SECONDS: Final = 600
_ROWS_AT_ONCE: Final = 500_000
# In the order of time, as a sink has them. One in a thousand is a top-up.
_MADE: Final = """
INSERT INTO credit_movements
    (account_id, occurred_at, movement_id, interaction_id, description, quantity, unit, units_charged, price, price_units,
     credit_movement, currency, user_id, destination, rate_card_id, destination_prefix, rate_effective_from, source_topic,
     source_partition, source_offset, log_id, log_partition, log_offset)
SELECT
    '{account}', fromUnixTimestamp64Micro(toInt64({begin}) + toInt64(number) * {step}, 'UTC'), generateUUIDv4(), concat('CA',
    toString(number)), if(is_top_up, 'top-up', ['call', 'sms', 'whatsapp', 'stt', 'mms'][1 + number % 5]), 187, if(is_top_up,
    '', 'seconds'), 240, toDecimal64('0.0199', 9), 60, toDecimal64(if(is_top_up, '100', '-0.0796'), 9), 'EUR', concat('user-',
    toString(cityHash64(number) % 100)), concat('+49', toString(number)), 'default', toString(4900 + cityHash64(number, 1) %
    200), toDateTime64('2020-01-01', 6, 'UTC'), 'usage-events', 0, number, 'log', 0, number
FROM (SELECT number, number % 1000 = 0 AS is_top_up FROM numbers({first}, {count}))
"""


def main(rows: int, like: int) -> None:
    print(
        f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {rows:,} movements, {_TIMES} times each,"
        f" with the sums of {like:,} movements; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    figures = measured(rows, like)
    print("\n| what | without sums | with sums, median | slowest | processor, with sums |\n|---|---|---|---|---|")
    for what, seconds in figures.items():
        print(f"| {what} | {' | '.join(map(three_figures, seconds))} |", flush=True)
    save("spending", {"rows": rows, "like": like, "seconds": figures})


def measured(rows: int, like: int) -> dict[str, list[float]]:
    """On servers of its own, of each question: seconds without sums, with them (the median, and the slowest), and processor
    seconds with them. The newest block of movements has no sums yet."""
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as stack:
        command(stack.environment, "setup")
        with closing(clickhouse.checked_client(settings_of(stack.environment), _INSERT_SECONDS)) as client:
            until = datetime.now(UTC)
            _fill(client, rows, until)
            questions = _questions(client, rows, until)
            before = {what: _median(ask, times=3)[0] for what, ask in questions.items()}
            began_at = time.perf_counter()
            size = max(1, BLOCK_OFFSETS * rows // like)
            blocks = fill(client, "log", {0: rows - BLOCK_OFFSETS}, block_offsets=size)
            sums = [
                client.query(f"SELECT count() FROM {table} FINAL").result_rows[0][0] for table in (BY_QUARTER, BY_KEY)
            ]
            print(
                f"{blocks:,} blocks in {time.perf_counter() - began_at:.1f} s; sums by quarter, by key: {sums};"
                f" load {os.getloadavg()[0]:.1f}",
                file=sys.stderr,
            )
            server = next(pid for name, pid in stack.process_ids.items() if "clickhouse" in name)
            return {what: [before[what], *_median(ask, server)] for what, ask in questions.items()}


def _fill(client: Client, rows: int, until: datetime) -> None:
    step = _DAYS * 86_400 * 10**6 // rows
    begin = int(until.timestamp() * 10**6) - rows * step
    for first in range(0, rows, _ROWS_AT_ONCE):
        count = min(_ROWS_AT_ONCE, rows - first)
        client.command(_MADE.format(account=_ACCOUNT, begin=begin, step=step, first=first, count=count))


def _questions(client: Client, rows: int, until: datetime) -> dict[str, Callable[[], Any]]:
    def balance() -> None:
        assert read_balance(client, _ACCOUNT)[0].movements == rows

    def opening() -> None:
        micros = int(until.timestamp() * 10**6)
        assert read_totals(client, MovementsSlice(_ACCOUNT, micros - 10**6, micros, "log", 0, rows)).opening_nanos

    def spent(days: int, *by: str, **only: str) -> Callable[[], Any]:
        return lambda: spending(client, _ACCOUNT, until - timedelta(days=days), until, by, _ZONE, only)

    at = int((until - timedelta(days=100, hours=3)).timestamp() * 10**6)
    return {
        "balance": balance,
        "balance at an instant": lambda: read_balance(client, _ACCOUNT, at),
        "opening balance of an export": opening,
        **{
            f"spending of {days} days by {' and '.join(by)}": spent(days, *by)
            for by in (("day",), ("day", "description"), ("hour",), ("user",), ("destination",), ("card",))
            for days in (30, _DAYS)
        },
        **{
            f"{days} days of one {name} by day and description": spent(days, "day", "description", **{name: key})
            for name, key in (("user", "user-7"), ("destination", "4907"))
            for days in (30, _DAYS)
        },
    }


def _median(ask: Callable[[], Any], server: int | None = None, times: int = _TIMES) -> tuple[float, float, float]:
    """Seconds, the most of them, and the server's processor seconds."""
    ask()
    seconds = []
    processor = processor_seconds(server)
    for _ in range(times):
        began_at = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - began_at)
    return statistics.median(seconds), max(seconds), (processor_seconds(server) - processor) / times


if __name__ == "__main__":
    asked = [int(each) for each in sys.argv[1:]] or [ROWS]
    main(asked[0], asked[-1])
