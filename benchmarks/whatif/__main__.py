"""The ledger rated anew: movements a second of one core (python -m benchmarks.whatif [MOVEMENTS]).

`rates diff DECK --against P30D` runs as a person runs it, with a price list of 10,000 prefixes, on movements of many accounts
to numbers of all prefixes. Told are the processor seconds of the command without those of its start (a run against a second
that has no movements), and those of ClickHouse, which shares the machine. One movement in a hundred is in the table twice, as
after a sink's crash. Then the same with `--adjust`, where nearly all movements get an adjustment.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from clickhouse_connect.driver.client import Client

from benchmarks.proc import processor_seconds
from benchmarks.product import command
from benchmarks.results import save
from benchmarks.table import line
from credit_movements import clickhouse
from credit_movements.settings import settings_of
from credit_movements.stack.servers import Servers, servers

MOVEMENTS = 5_000_000
ROUNDS = 3
_PREFIXES = 10_000
_ACCOUNTS = 20_000
_DAYS = 29
_PIECE_ROWS = 1_000_000
_HEADER = (
    "rate_card_id,usage_type,destination_prefix,destination_name,unit,unit_size,initial_increment,increment,price,price_units,"
    "currency,effective_from,effective_to\n"
)
_INSERT = """
INSERT INTO credit_movements (
    account_id, occurred_at, movement_id, interaction_id, description, quantity, unit, units_charged, price, price_units,
    credit_movement, currency, destination, rate_card_id, destination_prefix, source_topic, source_partition, source_offset,
    log_id, log_partition, log_offset
)
SELECT
    'account-' || toString(sipHash64(number, 1) % {accounts:UInt64}),
    fromUnixTimestamp64Micro({from_micros:Int64} + {step_micros:Int64} * toInt64(number), 'UTC'),
    generateUUIDv4(number), 'CA' || lower(hex(sipHash64(number))), 'call', number % 600 AS seconds, 'seconds', seconds,
    reinterpret(toInt64(200000000), 'Decimal(18, 9)'), 60, -(seconds * reinterpret(toInt64(3333333), 'Decimal(18, 9)')), 'EUR',
    '+' || prefix || leftPad(toString(sipHash64(number, 3) % 10000000), 7, '0'), 'default',
    toString(100000 + sipHash64(number, 2) % {prefixes:UInt64}) AS prefix, 'usage-events', 0, number, 'log', 0, number
FROM numbers({first:UInt64}, {count:UInt64})
"""
_AGAIN = "INSERT INTO credit_movements SELECT * FROM credit_movements WHERE log_offset % 100 = 0"
_SETTINGS = {"max_partitions_per_insert_block": 0}


@dataclass(frozen=True)
class Run:
    """Seconds, and processor seconds of the command and of ClickHouse."""

    movements: int
    seconds: float
    command_seconds: float
    clickhouse_seconds: float


def main(movements: int) -> None:
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {movements:,} movements", flush=True)
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as stack:
        command(stack.environment, "setup")
        deck = Path(name) / "rates.csv"
        deck.write_text(_HEADER + "".join(map(_line, range(_PREFIXES))), encoding="utf-8")
        command(stack.environment, "rates", "publish", deck)
        with clickhouse.client(settings_of(stack.environment)) as client:
            _fill(client, movements)
        start = _run(stack, deck, "PT1S")
        runs = [_run(stack, deck, f"P{_DAYS + 1}D") for _ in range(ROUNDS)]
        adjusting = _run(stack, deck, f"P{_DAYS + 1}D", "--adjust", str(Path(name) / "adjustments.jsonl"))
    assert {each.movements for each in (*runs, adjusting)} == {movements}
    _print_table(start, runs, adjusting)
    save("whatif", {"start": asdict(start), "runs": [asdict(each) for each in runs], "adjusting": asdict(adjusting)})


def _print_table(start: Run, runs: list[Run], adjusting: Run) -> None:
    print("\n| what | median | range |\n|---|---|---|")
    line("rated anew, movements a second of one core", [_per_second(each, start) for each in runs])
    line("the same with the start of the command", [each.movements / each.command_seconds for each in runs])
    line("movements a second of the clock", [each.movements / each.seconds for each in runs])
    millions = [each.movements / 1e6 for each in runs]
    clickhouse_seconds = [each.clickhouse_seconds * 1000 / of for each, of in zip(runs, millions, strict=True)]
    line("ClickHouse, processor milliseconds a million movements", clickhouse_seconds)
    line("with --adjust, movements a second of one core", [_per_second(adjusting, start)])
    print(f"\nstart of the command: {start.command_seconds:.2f} processor seconds")


def _per_second(run: Run, start: Run) -> float:
    return run.movements / (run.command_seconds - start.command_seconds)


def _fill(client: Client, movements: int) -> None:
    micros = _DAYS * 86_400 * 10**6
    times = {"from_micros": time.time_ns() // 1000 - micros, "step_micros": micros // movements}
    for first in range(0, movements, _PIECE_ROWS):
        piece = {
            "first": first,
            "count": min(_PIECE_ROWS, movements - first),
            "accounts": _ACCOUNTS,
            "prefixes": _PREFIXES,
        }
        client.command(_INSERT, parameters=times | piece, settings=_SETTINGS)
    client.command(_AGAIN, settings=_SETTINGS)


def _run(stack: Servers, deck: Path, against: str, *more: str) -> Run:
    process_id = stack.process_ids["clickhouse"]
    began_at, before = time.monotonic(), processor_seconds(process_id)
    arguments = ("rates", "diff", str(deck), "--against", against, "--json", *more)
    child = subprocess.Popen(
        [sys.executable, "-m", "credit_movements", *arguments],
        env={**os.environ, **stack.environment},
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    told = json.load(child.stdout)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    run = Run(
        told["movements"],
        time.monotonic() - began_at,
        used.ru_utime + used.ru_stime,
        processor_seconds(process_id) - before,
    )
    print(f"{against} {' '.join(more[:1])}: {run}, unrated {told['unrated']}", flush=True)
    return run


def _line(number: int) -> str:
    """Half of all prefixes cost about what was charged: 0.20 a minute by the second."""
    price = 0.2 if number % 2 else f"0.{1000 + number % 1000}"
    return f"default,call,{100_000 + number},Network {number},seconds,1,1,1,{price},60,EUR,2026-01-01T00:00:00Z,\n"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else MOVEMENTS)
