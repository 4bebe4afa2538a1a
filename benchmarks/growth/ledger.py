"""One account of 2,000 movements in a table that grows: its balance and its export.

`python -m benchmarks.growth.ledger [ROWS ROWS]`: the table has the first number of rows, and then the second (1 and 10
million; 1 and 100 million take some ten minutes and 10 GB of disk).
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from clickhouse_connect.driver.client import Client

from benchmarks.exports import at_work
from benchmarks.growth import Growth
from benchmarks.growth.shown import show
from benchmarks.movements import fill_accounts
from benchmarks.product import command, worker
from credit_movements import clickhouse
from credit_movements.settings import settings_of
from credit_movements.stack.servers import Servers, servers
from sinks.read.balance import read_balance

ROWS_OF_ACCOUNT = 2_000
SIZES = (1_000_000, 10_000_000)
_QUICK_SIZES = (200_000, 2_000_000)
_TIMES = 15
_EXPORTS = 8
_MILLISECONDS = 1000
# Both ought to stand still; twice the time is what a table a hundred times as large may cost.
_AIM = 2.0


def measured(quick: bool = False, sizes: tuple[int, int] | None = None) -> list[Growth]:
    """Of two tables, each made anew."""
    small, large = sizes or (_QUICK_SIZES if quick else SIZES)
    of_small, of_large = _of_table(small), _of_table(large)
    what = f"{small:,} and {large:,} rows in the table"
    return [
        Growth(f"{name} of an account of {ROWS_OF_ACCOUNT:,}", what, of_small[name], of_large[name], "ms", _AIM)
        for name in of_small
    ]


def _of_table(rows: int) -> dict[str, float]:
    """What each costs, milliseconds: the median of several accounts."""
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as stack:
        command(stack.environment, "setup")
        with clickhouse.client(settings_of(stack.environment)) as client:
            accounts = fill_accounts(client, rows // ROWS_OF_ACCOUNT, ROWS_OF_ACCOUNT)
            # Spread over the table's order.
            asked = accounts[:: max(1, len(accounts) // _TIMES)][:_TIMES]
            return {
                "balance": _median(lambda account: _check(client, account), asked),
                "export": _exports(stack, asked),
            }


def _check(client: Client, account: str) -> None:
    (balance,) = read_balance(client, account)
    assert balance.movements == ROWS_OF_ACCOUNT


def _median(ask: Callable[[str], None], accounts: list[str]) -> float:
    ask(accounts[0])
    taken = []
    for account in accounts:
        began_at = time.perf_counter()
        ask(account)
        taken.append(time.perf_counter() - began_at)
    return statistics.median(taken) * _MILLISECONDS


def _exports(stack: Servers, accounts: list[str]) -> float:
    """From the exporter's question for sums to the finished file."""
    port = int(stack.environment["CREDIT_EXPORT_HTTP_PORT"])
    with worker(stack.environment, "credit_movements", "export"):
        taken = []
        for account in accounts[:_EXPORTS]:
            before = at_work(port)
            command(stack.environment, "request-export", account, "--wait")
            taken.append(at_work(port) - before)
    # The first one loads what an exporter loads once.
    return statistics.median(taken[1:]) * _MILLISECONDS


if __name__ == "__main__":
    show(measured(sizes=(int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 1 else None))
