"""The commands of the documentation, run as they are written, against an `up` of their own.

Only what a reader's machine has otherwise is put in: `.venv/bin`, the ports, and the ids that a page makes up.
"""

import csv
import io
import json
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.command import COMMAND, RunningUp, clean_environment, running_up
from tests.conftest import free_port
from tests.docs.commands import COMMANDS, GIVE_BACK, LIVE_AUDIT, OPERATION, WALK
from tests.docs.pages import ROOT, shell_commands

START = ROOT / "docs" / "start.md"
EXPLAIN = ROOT / "docs" / "how-to" / "explain.md"
GIVE_BACK_PAGE = ROOT / "docs" / "how-to" / "give-back.md"
PATIENCE_SECONDS = 60.0
NEGATIVE = r"EUR[^\d-]*-\d"
# Run before: `up` is what the others run against, and the demo has a test of its own.
STANDING = ["make demo", ".venv/bin/credit-movements up"]
# A dead letter, `no_rate`.
EVENT = (
    '{"event_id": "00000000-0000-4000-8000-00000000000a", "account_id": "acme", "interaction_id": "call-1", '
    '"usage_type": "no-such-type", "quantity": 3, "destination": null, "occurred_at": %d, "user_id": null}\n'
)
POSITION = r"(usage-events\.dlq/\d+@\d+)"
ALERTS = (
    '{"account_id": "acme", "low_balance_nanos": 50000000000, "empty_soon_hours": null, "unusual_nanos": null,'
    ' "effective_from": "2027-01-01T00:00:00Z"}\n'
)
PLAN = '{"account_id": "planned", "rate_card_id": "default", "effective_from": "2026-01-01T00:00:00Z"}\n'


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    """In the folder where a command looks for it without any option."""
    with running_up(tmp_path_factory.mktemp("docs") / ".credit-movements") as running:
        yield running


def arguments(command: str, up: RunningUp) -> tuple[str, ...]:
    """What to run for a command as the page writes it."""
    program, *rest = shlex.split(command)
    if program == ".venv/bin/credit-movements":
        return (*COMMAND, *rest)
    assert program == ".venv/bin/python", command
    example, *options = rest
    where = ("--bootstrap-servers", up.kafka, "--schema-registry", up.registry)
    return (sys.executable, str(ROOT / example), *options, *where)


def shown(command: str, up: RunningUp) -> str:
    ended = subprocess.run(
        arguments(command, up),
        cwd=up.folder.parent,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


def eventually_shown(command: str, up: RunningUp, pattern: str) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not re.search(pattern, text := shown(command, up)):
        assert time.monotonic() < deadline, f"{command}\n{text}"
        time.sleep(0.2)
    return text


def test_every_command_of_the_start_page_does_what_it_says(up: RunningUp) -> None:
    (deck,) = re.findall(r"```csv\n(.*?)```", START.read_text(encoding="utf-8"), re.DOTALL)
    (up.folder.parent / "rates.csv").write_text(deck, encoding="utf-8")
    says = {
        ".venv/bin/python examples/publish_events.py --account acme --type call --quantity 187 --destination +4915112345678": (
            '"topic": "usage-events"'
        ),
        ".venv/bin/credit-movements balance acme": NEGATIVE,
        ".venv/bin/python examples/publish_events.py --account acme --top-up 25": '"amount_nanos": 25000000000',
        ".venv/bin/python examples/publish_events.py --account acme --type sms --destination +4915112345678 --quantity 2"
        " --user anna --direction outbound --from-number +4930123456 --campaign spring": '"campaign_id": "spring"',
        ".venv/bin/credit-movements request-export acme --wait": r"/downloads/",
        ".venv/bin/credit-movements request-export acme --wait --columns detailed --format xlsx": r"\.xlsx",
        ".venv/bin/python examples/follow_movements.py --once": r"acme 2\d\.\d+ EUR",
        ".venv/bin/credit-movements rates lint rates.csv": "1 rates on 1 rate cards, nothing wrong",
        ".venv/bin/credit-movements rates publish rates.csv": "1 rates published",
    }
    commands = [command for command in shell_commands(START) if command not in STANDING]
    assert commands == list(says), "the page has other commands, or in another order"
    assert {command for command, test in COMMANDS.items() if test == WALK} == {*commands, STANDING[1]}
    for command, pattern in says.items():
        # Of what happens by itself, a person looks until it has happened; publishing is done once.
        if "balance" in command or "follow" in command:
            eventually_shown(command, up, pattern)
        else:
            assert re.search(pattern, text := shown(command, up)), text


def test_the_commands_of_the_how_to_pages_run_against_a_running_up(up: RunningUp) -> None:
    folder = up.folder.parent
    (folder / "events.jsonl").write_text(EVENT % (time.time_ns() // 1000), encoding="utf-8")
    (folder / "plans.jsonl").write_text(PLAN, encoding="utf-8")
    (folder / "alert-settings.jsonl").write_text(ALERTS, encoding="utf-8")
    listing = ".venv/bin/credit-movements dead-letters list"
    example = "usage-events.dlq/3@17"
    verify = ".venv/bin/credit-movements verify credit-movements_2026-09-24_2026-10-24.csv"
    form = ".venv/bin/credit-movements request-export acme --wait --columns detailed --period-from 2026-01-01 --format xlsx"
    delete = ".venv/bin/credit-movements delete-export acme 0b7e7a2c-5d4b-4b6e-9b57-2a8f8a3f8a10"
    # The time behind --since is one of the page: whether something was written after it, this machine's clock decides.
    says = {
        ".venv/bin/credit-movements publish usage-events events.jsonl": "1 records published",
        ".venv/bin/credit-movements publish account-plans plans.jsonl": "1 records published",
        ".venv/bin/credit-movements publish alert-settings alert-settings.jsonl": "1 records published",
        listing: POSITION,
        f"{listing} --show {example}": "no_rate",
        ".venv/bin/credit-movements dead-letters replay --dry-run": "Would be sent",
        ".venv/bin/credit-movements dead-letters replay --reason no_rate --since 2026-10-24T00:00:00Z": "Sent|No dead letters",
        ".venv/bin/credit-movements audit": "",
        ".venv/bin/credit-movements audit --full": "",
        form: r"\.xlsx",
        verify: "nothing wrong",
        ".venv/bin/python examples/export_mails.py --folder mails --once": r"\.eml",
        delete: "is deleted",
    }
    assert {command for command, test in COMMANDS.items() if test == OPERATION} == set(says)
    # The page's day is one of its time.
    put_in = {"2026-01-01": f"{datetime.now(UTC) - timedelta(days=60):%Y-%m-%d}"}
    for command, pattern in says.items():
        if command == listing:
            put_in[example] = found(POSITION, eventually_shown(command, up, pattern))
            continue
        if command == verify:
            put_in |= export(up, verify.split()[-1], delete.split()[-1])
        as_run = command
        for made_up, real in put_in.items():
            as_run = as_run.replace(made_up, real)
        assert re.search(pattern, text := shown(as_run, up)), f"{as_run}\n{text}"


def test_money_is_given_back_as_the_page_says(up: RunningUp) -> None:
    """Each command of the page, in its order; what it shows is what the page shows, but for days, times and the links."""
    page, folder = GIVE_BACK_PAGE.read_text(encoding="utf-8"), up.folder.parent
    (lines,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    refund, sums = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    commands = list(shell_commands(GIVE_BACK_PAGE))
    assert {command for command, test in COMMANDS.items() if test == GIVE_BACK} == set(commands)
    call, balance, publish, publish_again, balance_after, export_it = commands
    assert (publish, balance) == (publish_again, balance_after)

    shown(call, up)
    eventually_shown(balance, up, r"EUR\W+-0\.0796\W+1\b")
    now = datetime.now(UTC).isoformat()
    (folder / "refund.jsonl").write_text(refund.replace("2026-10-24T12:00:00Z", now), encoding="utf-8")
    for _ in range(2):
        assert "1 records published to adjustment-events." in shown(publish, up)
    eventually_shown(balance, up, r"EUR\W+0\W+2\b")

    # A manifest that is complete until some time promises that nothing waits: the second refund is rated, too.
    deadline, manifest = time.monotonic() + PATIENCE_SECONDS, {"data_complete_until": None}
    while manifest["data_complete_until"] is None:
        assert time.monotonic() < deadline, manifest
        text = shown(export_it, up)
        manifest = json.loads(page_of(found(r"Manifest:\s+(\S+)", text)))
    rows = list(csv.reader(io.StringIO(page_of(found(r"Link:\s+(\S+)", text)), newline="")))
    assert [row[1:] for row in rows] == [row[1:] for row in csv.reader(io.StringIO(lines))]
    told = json.loads(sums)
    assert {name: manifest[name] for name in told} == told


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


def export(up: RunningUp, file_in_page: str, id_in_page: str) -> dict[str, str]:
    """Export acme and download file and manifest; gives what to put in for the file and the id that the page makes up."""
    text = shown(".venv/bin/credit-movements request-export acme --wait", up)
    name = found(r"File:\s+(\S+)", text)
    for label, target in (("Link", name), ("Manifest", name.replace(".csv", ".manifest.json"))):
        with urllib.request.urlopen(found(rf"{label}:\s+(\S+)", text)) as answer:
            (up.folder.parent / target).write_bytes(answer.read())
    return {file_in_page: name, id_in_page: found(r"Export:\s+(\S+)", text)}


def test_the_worked_example_of_explain_is_what_it_prints(up: RunningUp) -> None:
    page = EXPLAIN.read_text(encoding="utf-8")
    plain, in_json = (command for command in shell_commands(EXPLAIN))
    call, refund, printed = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    call, refund = json.loads(call), json.loads(refund)
    now = time.time_ns() // 1000
    for topic, records in (("usage-events", [call, call]), ("adjustment-events", [refund])):
        file = up.folder.parent / f"{topic}.jsonl"
        file.write_text("".join(json.dumps(each | {"occurred_at": now}) + "\n" for each in records), encoding="utf-8")
        shown(f".venv/bin/credit-movements publish {topic} {file}", up)
    text = eventually_shown(plain, up, "(?s)What became of it: movement.*Adjustments that name it: 1")
    assert _as_in_the_page(text) == _as_in_the_page(printed)
    found = json.loads(shown(in_json, up))
    assert {"event", "outcome", "movement", "steps", "adjustments"} <= set(found)
    assert (found["outcome"], found["disagreements"]) == ("movement", [])
    assert [each["movement_id"] for each in found["adjustments"]] == [refund["event_id"]]
    assert [each["outcome"] for each in found["copies"]] == ["duplicate"]


def _as_in_the_page(text: str) -> list[str]:
    """Without what is another time, place or count on each machine."""
    text = re.sub(r"20[2-9]\d-\d\d-\d\d[T ][\d:.]{8,15}Z?(?!.* to open)", "TIME", text)
    text = re.sub(r"-events/\d+@\d+", "-events/PLACE", text)
    return [" ".join(line.split()) for line in re.sub(r"all [\d,]+ records", "all records", text).splitlines()]


def test_a_live_audit_tells_prometheus(up: RunningUp) -> None:
    (command,) = (each for each, test in COMMANDS.items() if test == LIVE_AUDIT)
    port = free_port()
    process = subprocess.Popen(
        arguments(command.replace("18084", str(port)), up), cwd=up.folder.parent, env=clean_environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert "credit_audit_difference" in page_of(f"http://127.0.0.1:{port}/metrics")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def page_of(url: str) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.2)
