"""CGRateS, a charging engine in Go, rates calls of the made-up company by the same prices: how many a second.

`python -m benchmarks.rating.cgrates [CALLS]`: the engine is built from the Go module proxy (once, some minutes), keeps all in
its internal database, and is asked for costs by JSON-RPC, many at a time on one connection. No Kafka stands before or behind
it, and nothing is stored. Each cost is held against the shared rating of the peers.
"""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from benchmarks.peers.rating import Rating
from benchmarks.proc import processor_seconds
from benchmarks.rating.traffic import only_good
from benchmarks.results import save
from credit_movements.demo.company import Company, company

CALLS = 50_000
# Of the versions that exist the proxy gives this one.
_MODULE = "github.com/cgrates/cgrates@v0.10.0"
_ENGINE = Path(".cache/bench-cgrates/cgr-engine").absolute()
_AT_ONCE = 500
_PORT, _OTHER_PORTS = 22012, {"rpc_gob": "127.0.0.1:22013", "http": "127.0.0.1:22080"}
_PATIENCE_SECONDS = 30.0
# Its costs are floats, each increment's own.
_MOST_NANOS_APART = 1


def main(calls: int) -> None:
    if not _ENGINE.exists() and shutil.which("go") is None:
        print("CGRateS is not measured: Go, which builds it, is not installed")
        return
    if not _ENGINE.exists():
        _build()
    made = only_good(company(time.time_ns() // 1000, events=4 * calls))
    with tempfile.TemporaryDirectory() as name:
        asked, expected = _calls(made, Path(name), calls)
        _write_tariff_plan(made.rate_deck, Path(name))
        with _engine(Path(name)) as (process_id, wire):
            _load(wire, Path(name))
            began_at, processor_before = time.monotonic(), processor_seconds(process_id)
            costs = [
                cost for begin in range(0, calls, _AT_ONCE) for cost in _costs(wire, asked[begin : begin + _AT_ONCE])
            ]
            seconds, processor = time.monotonic() - began_at, processor_seconds(process_id) - processor_before
    apart = [abs(cost - right) for cost, right in zip(costs, expected, strict=True)]
    same = sum(each <= _MOST_NANOS_APART for each in apart)
    assert same == len(apart), f"{len(apart) - same} of {len(apart)} costs differ, by {max(apart)} nanos at most"
    print(
        f"{calls:,} calls, all costs equal: {calls / seconds:,.0f} calls/s, {calls / processor:,.0f} per processor second",
        flush=True,
    )
    save("cgrates", {"calls": calls, "seconds": seconds, "processor_seconds": processor})


def _build() -> None:
    told = subprocess.run(["go", "mod", "download", "-json", _MODULE], check=True, capture_output=True, text=True)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source"
        shutil.copytree(json.loads(told.stdout)["Dir"], source, copy_function=shutil.copyfile)
        source.chmod(0o755)
        (source / "go.mod").chmod(0o644)
        subprocess.run(
            ["go", "build", "-mod=mod", "-o", _ENGINE, "./cmd/cgr-engine"],
            check=True, cwd=source, env={**os.environ, "GOFLAGS": ""},
        )  # fmt: skip


def _calls(made: Company, folder: Path, count: int) -> tuple[list[dict[str, str]], list[int]]:
    """What to ask, and the costs in nanos."""
    deck, plans = folder / "rates.csv", folder / "plans.jsonl"
    deck.write_text(made.rate_deck, encoding="utf-8")
    made.plans.write_ndjson(plans)
    rating = Rating(deck, plans)
    asked, expected = [], []
    for event in made.usage_events.iter_rows(named=True):
        if event["usage_type"] != "call" or event["quantity"] == 0 or len(asked) == count:
            continue
        at = datetime.fromtimestamp(event["occurred_at"] / 1e6, UTC)
        movement = rating.movement({**event, "occurred_at": at}, "usage-events", 0, 0)
        plus, number = movement["destination"][:1], movement["destination"][1:]
        if plus != "+" or not number.isdecimal():
            continue
        expected.append(-movement["credit_movement_nanos"])
        asked.append(
            {
                "Tenant": "cgrates.org", "Category": "call", "Subject": movement["rate_card_id"], "Destination": number,
                "AnswerTime": at.isoformat(), "Usage": f"{event['quantity']}s",
            }
        )  # fmt: skip
    assert len(asked) == count, f"{len(asked)} calls in the traffic"
    return asked, expected


def _write_tariff_plan(deck: str, folder: Path) -> None:
    """The deck's calls as a tariff plan: a rating plan for each card and moment at which one of its prices begins or ends."""
    rows = [row for row in csv.DictReader(deck.splitlines()) if row["usage_type"] == "call"]
    prefixes = sorted({row["destination_prefix"] for row in rows} - {""})
    files: dict[str, list[Sequence[str]]] = {
        "Destinations": [(_destination(prefix), prefix) for prefix in prefixes],
        "Timings": [("ALWAYS", "*any", "*any", "*any", "*any", "00:00:00")],
        "Rates": [], "DestinationRates": [], "RatingPlans": [], "RatingProfiles": [],
    }  # fmt: skip
    for number, row in enumerate(rows):
        unit, first, then = f"{row['price_units'] or 1}s", f"{row['initial_increment']}s", f"{row['increment']}s"
        files["Rates"] += [(f"RT_{number}", "0", row["price"], unit, first, "0s")]
        if first != then:
            files["Rates"] += [(f"RT_{number}", "0", row["price"], unit, then, first)]
        files["DestinationRates"].append(
            (f"DR_{number}", _destination(row["destination_prefix"]), f"RT_{number}", "*middle", "15", "0", "")
        )
    for card in sorted({row["rate_card_id"] for row in rows}):
        of_card = [(number, row) for number, row in enumerate(rows) if row["rate_card_id"] == card]
        edges = {edge for _, row in of_card for edge in (row["effective_from"], row["effective_to"]) if edge}
        for edge in sorted(edges):
            plan = f"RP_{card}_{edge}"
            in_force = [
                number for number, row in of_card if row["effective_from"] <= edge < (row["effective_to"] or "9")
            ]
            files["RatingPlans"] += [(plan, f"DR_{number}", "ALWAYS", "10") for number in in_force]
            files["RatingProfiles"].append(("cgrates.org", "call", card, edge, plan, ""))
    for name, lines in files.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(lines)


def _destination(prefix: str) -> str:
    return f"DST_{prefix}" if prefix else "*any"


@contextmanager
def _engine(folder: Path) -> Iterator[tuple[int, BinaryIO]]:
    internal = {"db_type": "*internal"}
    configuration = {
        "general": {"log_level": 3, "logger": "*stdout", "rounding_decimals": 15}, "data_db": internal, "stor_db": internal,
        "listen": {"rpc_json": f"127.0.0.1:{_PORT}", **_OTHER_PORTS}, "rals": {"enabled": True},
        "schedulers": {"enabled": True}, "apiers": {"enabled": True, "scheduler_conns": ["*internal"]},
    }  # fmt: skip
    (folder / "configuration").mkdir()
    (folder / "configuration" / "cgrates.json").write_text(json.dumps(configuration))
    line = [_ENGINE, "-config_path", folder / "configuration"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with _connected() as connection:
                yield process.pid, cast(BinaryIO, connection.makefile("rwb"))
        finally:
            process.terminate()


def _connected() -> socket.socket:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", _PORT))
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the engine does not answer"
            time.sleep(0.1)


def _load(wire: BinaryIO, folder: Path) -> None:
    [answer] = _answers(wire, "APIerSv1.LoadTariffPlanFromFolder", [{"FolderPath": str(folder)}])
    assert answer == "OK", answer


def _costs(wire: BinaryIO, asked: Sequence[dict[str, str]]) -> list[int]:
    """In nanos."""
    return [round(answer["Cost"] * 10**9) for answer in _answers(wire, "APIerSv1.GetCost", asked)]


def _answers(wire: BinaryIO, method: str, asked: Sequence[Any]) -> list[Any]:
    for number, each in enumerate(asked):
        wire.write(json.dumps({"method": method, "params": [each], "id": number}).encode() + b"\n")
    wire.flush()
    answers = [json.loads(wire.readline()) for _ in asked]
    failed = next(((each["error"], asked[int(each["id"])]) for each in answers if each["error"]), None)
    assert failed is None, failed
    return [each["result"] for each in sorted(answers, key=lambda each: int(each["id"]))]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
