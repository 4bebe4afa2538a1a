"""A wrong deck, from the customer who pays too much to the right balance: the commands of docs/how-to/what-if.md as written."""

import csv
import io
import json
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.command import COMMAND, RunningUp, clean_environment, running_up
from tests.docs.commands import COMMANDS, MENDED
from tests.docs.pages import ROOT, shell_commands

PAGE = ROOT / "docs" / "how-to" / "what-if.md"
START = ROOT / "docs" / "start.md"
PATIENCE_SECONDS = 60.0
PUBLISH_DECK = ".venv/bin/credit-movements rates publish rates.csv"
BALANCE = ".venv/bin/credit-movements balance acme"
FAX = ".venv/bin/python examples/publish_events.py --account acme --type fax --quantity 2"
# The columns of the CSV.
AT, INTERACTION, DESCRIPTION, UNITS, MOVEMENT = 0, 1, 2, 3, 6


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    with running_up(tmp_path_factory.mktemp("wrong-deck") / ".credit-movements") as running:
        yield running


def shown(command: str, up: RunningUp, status: int = 0) -> str:
    program, *rest = shlex.split(command)
    line = [*COMMAND, *rest]
    if program == ".venv/bin/python":
        where = ["--bootstrap-servers", up.kafka, "--schema-registry", up.registry]
        line = [sys.executable, str(ROOT / rest[0]), *rest[1:], *where]
    ended = subprocess.run(
        line, cwd=up.folder.parent, env=clean_environment(), capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == status, f"{command}\n{ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


def eventually(command: str, up: RunningUp, pattern: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not re.search(pattern, text := shown(command, up)):
        assert time.monotonic() < deadline, f"{command}\n{text}"
        time.sleep(0.2)


def fences(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def exported(up: RunningUp) -> list[list[str]]:
    link = re.search(r"Link:\s+(\S+)", text := shown(".venv/bin/credit-movements request-export acme --wait", up))
    assert link, text
    with urllib.request.urlopen(link[1]) as answer:
        return list(csv.reader(io.StringIO(answer.read().decode())))[1:]


def test_a_wrong_deck_is_mended_without_touching_history(up: RunningUp) -> None:
    folder = up.folder.parent
    (wrong,) = fences(START, "csv")
    for name, deck in zip(
        ("rates.csv", "old.csv", "new.csv", "rates-right.csv"), [wrong, *fences(PAGE, "csv")], strict=True
    ):
        (folder / name).write_text(deck, encoding="utf-8")
    commands = list(shell_commands(PAGE))
    compare, try_new, see, whom, adjust, publish = commands
    assert {command for command, test in COMMANDS.items() if test == MENDED} == set(commands)
    told, (was, correction) = fences(PAGE, "text")[0], fences(PAGE, "text")[1].splitlines()

    assert told in shown(compare, up)
    assert "rates published" in shown(PUBLISH_DECK, up) or "nothing to do" in shown(PUBLISH_DECK, up)
    shown(FAX, up)
    eventually(BALANCE, up, r"EUR[^\d-]*-0\.1 ")
    before = exported(up)
    assert [(row[DESCRIPTION], *row[UNITS:]) for row in before] == [tuple(was.split(",")[DESCRIPTION:])]

    assert "changed: 1" in shown(see, up)
    # Who has only the deck of the example leaves all of the sample deck's prices out; the fax is among them.
    assert "refused: no_rate" in shown(try_new, up)
    assert re.search(r"acme\W+1\W+-0\.1\W+-0\.01\W+0\.09", shown(whom, up))
    found = json.loads(shown(f"{whom} --json --csv accounts.csv", up))
    assert found["accounts"] == [
        {
            "account_id": "acme", "currency": "EUR", "movements": 1, "paid": "-0.1", "would_have_paid": "-0.01",
            "difference": "0.09",
        }
    ]  # fmt: skip
    assert (found["movements"], found["unrated"]) == (1, 0)
    assert (folder / "accounts.csv").read_text().splitlines()[1] == "acme,EUR,1,-0.1,-0.01,0.09"

    assert "Look at corrections.jsonl, then: credit-movements publish adjustment-events" in shown(adjust, up)
    first = (folder / "corrections.jsonl").read_bytes()
    shown(adjust, up)
    assert (folder / "corrections.jsonl").read_bytes() == first
    (event,) = map(json.loads, first.splitlines())
    assert (event["kind"], event["amount_nanos"], event["interaction_id"]) == (
        "correction",
        90_000_000,
        before[0][INTERACTION],
    )
    for _ in range(2):
        assert "1 records published to adjustment-events" in shown(publish, up)
    eventually(BALANCE, up, r"EUR[^\d-]*-0\.01 ")

    after = exported(up)
    assert sum(Decimal(row[MOVEMENT]) for row in after) == Decimal("-0.01")
    assert sorted(after, key=lambda row: Decimal(row[MOVEMENT])) == [
        before[0],
        [before[0][AT], before[0][INTERACTION], *correction.split(",")[DESCRIPTION:]],
    ]
    # What is mended is not mended again, and no event is lost or counted twice.
    again = json.loads(shown(f"{adjust} --json", up))
    assert (again["accounts"][0]["difference"], again["adjustments"]["events"]) == ("0", 0)
    assert (folder / "corrections.jsonl").read_bytes() == b""
    nothing = shown(adjust, up)
    assert "0 adjustments written: nothing is to be corrected." in nothing
    assert "publish adjustment-events" not in nothing
    shown(".venv/bin/credit-movements audit --full", up)
