"""Another team's view: plain Kafka clients, fastavro and the registry's schemas on one side, a browser on the other.

Nothing here uses the project's own codec or clients. The oracle says what is right.
"""

import csv
import io
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Message

from credit_movements.demo.oracle import NANO
from tests.acceptance.command import RunningUp, run, running_up
from tests.acceptance.published import (
    ACCOUNT,
    ADJUSTMENTS,
    DECK,
    EVENTS,
    GARBAGE,
    TOP_UPS,
    expected_csv,
    expected_outcomes,
    usage,
)
from tests.acceptance.team import Team, headers, utc


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    folder = tmp_path_factory.mktemp("up")
    (folder / "rates.csv").write_text(DECK)
    with running_up(folder) as running:
        yield running


def test_from_events_to_the_file_as_other_teams_see_it(up: RunningUp) -> None:
    team = Team(up)
    team.publish("usage-events", *EVENTS)
    team.publish("top-up-events", *TOP_UPS)
    team.publish("adjustment-events", *ADJUSTMENTS)
    for value in GARBAGE:
        team.send("usage-events", ACCOUNT, value)
    team.publish("usage-events", usage(9999, account_id="the last one"))
    used, paid, adjusted, movements = expected_outcomes()

    lines = [
        team.decode(message) for message in team.read("credit-movements", lambda found: len(found) > len(movements))
    ]
    by_id = {line["movement_id"]: line for line in lines}
    assert len(lines) == len(by_id) == used["movement"] + paid["movement"] + adjusted["movement"] + 1
    for event, (amount, units, unit, priced) in movements:
        line = by_id[event["event_id"]]
        assert Decimal(line["credit_movement_nanos"]) * NANO == amount
        assert (line["units_charged"], line["unit"], line["account_id"]) == (units, unit, event["account_id"])
        corrected = (event.get("movement_id"), event.get("reason"))
        assert (line["corrected_movement_id"], line["reason"]) == corrected
        assert line["destination_prefix"] == (None if priced is None else priced[0])

    refused = {name: count for name, count in used.items() if name not in ("movement", "duplicate")}
    letters = team.read("usage-events.dlq", lambda found: len(found) >= sum(refused.values()) + len(GARBAGE))
    assert Counter(headers(each)["dlq.reason"].decode() for each in letters) == {**refused, "undecodable": len(GARBAGE)}
    assert {each.value() for each in letters if headers(each)["dlq.reason"] == b"undecodable"} == set(GARBAGE)
    (letter,) = team.read("top-up-events.dlq", lambda found: len(found) >= 1)
    assert headers(letter)["dlq.reason"] == b"currency_mismatch"
    given_back = {name: count for name, count in adjusted.items() if name not in ("movement", "duplicate")}
    letters = team.read("adjustment-events.dlq", lambda found: len(found) >= sum(given_back.values()))
    assert Counter(headers(each)["dlq.reason"].decode() for each in letters) == given_back
    assert adjusted == {
        "movement": 7, "duplicate": 1, "conflict": 1, "amount_out_of_range": 1, "currency_mismatch": 1, "invalid_event": 2,
    }  # fmt: skip

    requested_at = time.time_ns() // 1000
    requests = [
        {
            "request_id": str(uuid4()),
            "account_id": ACCOUNT,
            "requested_at": requested_at,
            "time_zone": None,
            "requested_by": "u",
        }
        for _ in range(2)
    ]
    team.publish("export-requests", *requests)
    (message,) = team.read("export-notifications", lambda found: len(found) >= 1)
    notification = team.decode(message)
    assert (notification["status"], notification["export_id"]) == ("completed", requests[0]["request_id"])
    assert (notification["requested_by"], notification["time_zone"]) == ("u", "UTC")
    with urllib.request.urlopen(notification["download_url"]) as answer:
        content = answer.read()
    assert content == expected_csv(movements, requested_at)
    assert notification["row_count"] == len(list(csv.reader(io.StringIO(content.decode(), newline="")))) - 1


def test_an_unknown_time_zone_is_a_failure_that_a_customer_understands(up: RunningUp) -> None:
    team = Team(up)
    ask = {
        "request_id": str(uuid4()),
        "account_id": "lost",
        "requested_at": time.time_ns() // 1000,
        "time_zone": "Mars/Olympus",
        "requested_by": None,
    }
    team.publish("export-requests", ask)

    def mine(found: list[Message]) -> list[dict[str, Any]]:
        return [each for each in map(team.decode, found) if each["account_id"] == "lost"]

    (notification,) = mine(team.read("export-notifications", lambda found: bool(mine(found))))
    assert (notification["status"], notification["download_url"]) == ("failed", None)
    assert notification["error_message"].startswith("The time zone of this export is not known.")


def test_the_commands_find_the_running_up_by_its_folder(up: RunningUp, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    one = usage(7777, account_id="cli", usage_type="sms", quantity=2)
    events.write_text(json.dumps({**one, "occurred_at": utc(one["occurred_at"]).isoformat()}) + "\n")
    where = ("--data-dir", str(up.folder))
    assert "1 records published" in run("publish", "usage-events", str(events), *where).stdout
    deadline = time.monotonic() + 30
    while "-0.13" not in (shown := run("balance", "cli", *where).stdout):
        assert time.monotonic() < deadline, shown
    waited = run("request-export", "cli", "--wait", *where)
    assert "Rows:        1 movements" in waited.stdout, waited.stderr
    assert f"{up.pages}/downloads/" in waited.stdout
    assert "Topics, subjects and tables" in run("setup", *where).stdout


def test_a_deck_is_held_against_what_is_published(up: RunningUp, tmp_path: Path) -> None:
    where = ("--data-dir", str(up.folder))
    assert run("rates", "publish", str(up.folder / "rates.csv"), *where).stdout == (
        "all 6 rates are published already: nothing to do.\n"
    )
    deck = tmp_path / "rates.csv"
    deck.write_text(DECK.replace("0.0305,60", "0.0306,60"))
    refused = run("rates", "publish", str(deck), *where)
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        f"{deck}: line 3, price: 0.0306, but 'default|call|49|2020-01-01T00:00:00.000000Z' is published with 0.0305; a new"
        " price needs a new effective_from",
        f"credit-movements: {deck}: faults found: 1; nothing was published",
    ]
    later = "default,fax,,,messages,1,1,1,{},1,EUR,{},\n"
    deck.write_text(DECK + later.format("0.1", "2026-01-01T00:00:00Z") + later.format("0.2", "2026-02-01T00:00:00Z"))
    published = run("rates", "publish", str(deck), *where)
    assert published.stdout == "2 rates published, 6 were already.\n"
    assert (
        published.stderr == f"{deck}: line 8, effective_to: set to 2026-02-01T00:00:00.000000Z, where line 9 begins\n"
    )
    plans = tmp_path / "plans.jsonl"
    plans.write_text('{"account_id": "cli-2", "rate_card_id": "none", "effective_from": "2026-01-01T00:00:00Z"}\n')
    first, again = (run("publish", "account-plans", str(plans), *where) for _ in range(2))
    assert (first.stdout, again.stdout) == (
        "1 records published to account-plans.\n",
        "all 1 records are published already: nothing to do.\n",
    )
    assert "line 1, rate_card_id: card 'none' has no rates" in first.stderr


def test_the_python_of_the_how_to_page_is_rated(up: RunningUp, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "publish.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    example = tmp_path / "example.py"
    example.write_text(code.replace("127.0.0.1:19092", up.kafka).replace("http://127.0.0.1:18081", up.registry))
    subprocess.run((sys.executable, str(example)), check=True, timeout=60)
    deadline = time.monotonic() + 30
    # 187 seconds at 0.07 a minute.
    while "-0.218166667" not in (shown := run("balance", "acme", "--data-dir", str(up.folder)).stdout):
        assert time.monotonic() < deadline, shown


def test_a_second_up_on_the_same_ports_or_folder_is_told_so_in_one_line(up: RunningUp, tmp_path: Path) -> None:
    port = up.kafka.rpartition(":")[2]
    taken = run("up", "--data-dir", str(tmp_path), "--kafka-port", port)
    assert taken.returncode == 1
    assert taken.stderr.strip().splitlines() == [
        f"credit-movements: --kafka-port: port {port} of 127.0.0.1 is in use. Stop the program that listens there,"
        " or choose another port with --kafka-port."
    ]


def test_ctrl_c_ends_everything_with_status_0(tmp_path: Path) -> None:
    with running_up(tmp_path / "data") as up:
        status, seconds = up.stop()
    assert status == 0
    assert seconds < 15
    assert not (up.folder / "up.json").exists()
