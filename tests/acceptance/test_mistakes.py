"""A person who makes a mistake gets one line: what is wrong, where, and what to do."""

from pathlib import Path

import pytest

from streams.pricing.deck.sheet import COLUMNS
from tests.acceptance.command import run

NOWHERE = {
    "CREDIT_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "CREDIT_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
    "CREDIT_CLICKHOUSE_DSN": "http://default:a-secret@127.0.0.1:1/default",
}


def one_line(*arguments: str, status: int = 1, **environment: str) -> str:
    ended = run(*arguments, **environment)
    assert ended.returncode == status, ended.stdout + ended.stderr
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("credit-movements: ")
    return line.removeprefix("credit-movements: ")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("CREDIT_EXPORT_LINK_TTL", "a week", "CREDIT_EXPORT_LINK_TTL: no duration, as P7D, PT10M or 600 (seconds)"),
        (
            "CREDIT_EXPORT_LINK_SECRET",
            "short",
            "CREDIT_EXPORT_LINK_SECRET: shorter than 32 bytes; `openssl rand -hex 32`",
        ),
        ("CREDIT_KAFKA_CONFIG", "{", "CREDIT_KAFKA_CONFIG: must be a JSON object"),
        ("CREDIT_LOG_LEVEL", "loud", "CREDIT_LOG_LEVEL: "),
        (
            "CREDIT_SCHEMA_REGISTRY_URL",
            "registry:8081",
            "CREDIT_SCHEMA_REGISTRY_URL: must begin with http:// or https://",
        ),
        ("CREDIT_PUBLIC_URL", "billing.example.com", "CREDIT_PUBLIC_URL: must begin with http:// or https://"),
        (
            "CREDIT_CLICKHOUSE_DSN",
            "a-secret",
            "CREDIT_CLICKHOUSE_DSN: must begin with http:// or https:// (ClickHouse, as http",
        ),
        ("CREDIT_KAFKA_BOOTSTRAP_SERVER", "x", "did you mean CREDIT_KAFKA_BOOTSTRAP_SERVERS?"),
    ],
)
def test_a_wrong_setting(tmp_path: Path, name: str, value: str, says: str) -> None:
    line = one_line("balance", "acme", "--data-dir", str(tmp_path), **{name: value})
    assert says in line
    assert "a-secret" not in line


def test_nothing_is_set_and_nothing_runs(tmp_path: Path) -> None:
    line = one_line("balance", "acme", "--data-dir", str(tmp_path))
    assert line.startswith("CREDIT_CLICKHOUSE_DSN is not set and no running `credit-movements up` was found")


def test_servers_that_do_not_answer(tmp_path: Path) -> None:
    folder = ("--data-dir", str(tmp_path))
    assert one_line("setup", *folder, **NOWHERE).startswith("CREDIT_KAFKA_BOOTSTRAP_SERVERS: cannot reach 127.0.0.1:1")
    line = one_line("balance", "acme", *folder, **NOWHERE)
    assert line.startswith("CREDIT_CLICKHOUSE_DSN: cannot use ClickHouse: ")
    assert "refused" in line
    assert "a-secret" not in line


def test_what_cannot_be_explained(tmp_path: Path) -> None:
    folder = ("--data-dir", str(tmp_path))
    event_id = "3f0c9a52-7d1e-4b8a-9c55-000000000001"
    assert one_line("explain", "call-1", *folder).startswith("'call-1' is no id of an event or movement: 36 characters")
    assert "no ISO 8601 time" in one_line("explain", event_id, "--since", "yesterday", *folder)
    assert "no IANA name" in one_line("explain", event_id, "--time-zone", "Mars/Olympus", *folder)
    line = one_line("explain", event_id, *folder, **NOWHERE)
    assert line.startswith("CREDIT_KAFKA_BOOTSTRAP_SERVERS: cannot reach 127.0.0.1:1")
    assert "a-secret" not in line


def test_a_deck_with_faults_is_not_published(tmp_path: Path) -> None:
    deck = tmp_path / "rates.csv"
    deck.write_text(f"{','.join(COLUMNS)}\ndefault,call,,,hours,1,1,1,0.1,1,EUR,2026-01-01T00:00:00Z,\n")
    ended = run("rates", "publish", str(deck), **NOWHERE)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"{deck}: line 2, unit: unknown unit 'hours': one of seconds, minutes, fragments, messages",
        f"credit-movements: {deck}: faults found: 1",
    ]
    assert "No such file" in one_line("rates", "lint", str(tmp_path / "none.csv"), status=2)


def test_a_deck_with_warnings_alone_is_in_order(tmp_path: Path) -> None:
    deck = tmp_path / "rates.csv"
    deck.write_text(
        f"{','.join(COLUMNS)}\ndefault,call,089,,seconds,1,1,1,0.003333333,1,EUR,2026-01-01T00:00:00Z,\n", "utf-8"
    )
    ended = run("rates", "lint", str(deck))
    assert (ended.returncode, ended.stdout) == (0, f"{deck}: 1 rates on 1 rate cards, nothing wrong; warnings: 2.\n")
    told = f"{deck}: warning: line 2, "
    warnings = [
        f"{told}destination_prefix: no country's code begins with 0: write it with the code, as 4989 for 089",
        f"{told}price: a minute costs 0.19999998; where a price list says 0.2, write price 0.2, price_units 60",
    ]
    assert ended.stderr.splitlines() == warnings
    assert run("rates", "publish", str(deck), **NOWHERE).stderr.splitlines()[:2] == warnings


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2: "),
        ('{"account_id": 7}', "line 2: field 'event_id' is missing"),
        ('{"no_such_field": 7}', "line 2: unknown field 'no_such_field'"),
        ("[]", "line 2: not a JSON object"),
    ],
)
def test_a_file_with_a_bad_line_is_not_published(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"\n{line}\n")
    assert one_line("publish", "usage-events", str(file), **NOWHERE).startswith(says)


def test_a_file_that_is_no_text_is_not_published(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\x7fELF\xff\xfe")
    assert one_line("publish", "usage-events", str(file), **NOWHERE) == "after line 0: not UTF-8, so no JSON Lines"


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert "is not set and no running" in one_line("balance", "acme", "--data-dir", str(file))
    assert "cannot be used (" in one_line("up", "--data-dir", str(file))


@pytest.mark.parametrize("account", ["", "x" * 129])
def test_what_is_no_account_id(account: str) -> None:
    for command in ("balance", "request-export"):
        ended = run(command, account, **NOWHERE)
        assert ended.returncode == 2
        assert "an account id has 1 to 128 characters" in ended.stderr


def test_what_is_no_port(tmp_path: Path) -> None:
    ended = run("up", "--data-dir", str(tmp_path), "--http-port", "99999")
    assert ended.returncode == 2
    assert "65535" in ended.stderr


def test_a_file_to_verify_that_is_not_there_and_one_without_its_manifest(tmp_path: Path) -> None:
    file = tmp_path / "movements.csv"
    assert one_line("verify", str(file)) == f"{file}: No such file or directory"
    file.write_text("x")
    beside = tmp_path / "movements.manifest.json"
    assert one_line("verify", str(file)) == f"{beside}: No such file or directory; name the manifest with --manifest"
    assert one_line("verify", str(file), "--manifest", str(tmp_path)) == f"{tmp_path}: Is a directory"


def test_topics_that_only_the_workers_write_cannot_be_published_to(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("")
    assert "is no topic to publish to" in one_line("publish", "credit-movements", str(tmp_path / "x.jsonl"), status=2)


def test_a_storage_that_is_not_there_is_not_made_to_delete_from(tmp_path: Path) -> None:
    line = one_line("delete-export", "acme", "0b7e7a2c-5d4b-4b6e-9b57-2a8f8a3f8a10", "--data-dir", str(tmp_path))
    assert line.startswith(f"CREDIT_EXPORT_STORAGE_URL: {tmp_path.as_uri()}/exports: ")
    assert list(tmp_path.iterdir()) == []


def test_help_lists_every_command_and_every_setting() -> None:
    shown = run("--help").stdout
    for command in (
        "demo",
        "up",
        "rate",
        "sink",
        "export",
        "setup",
        "rates",
        "publish",
        "request-export",
        "balance",
        "audit",
        "dead-letters",
        "delete-export",
        "verify",
    ):
        assert f" {command} " in shown
    assert "CREDIT_EXPORT_STORAGE_URL" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["old.csv"], "name two price lists, OLD and NEW (a deck file or 'published'), or use --against P30D"),
        (["old.csv", "new.csv", "--against", "P30D"], "with --against name one price list"),
        (["old.csv", "new.csv", "--adjust", "file"], "they need --against P30D"),
        (["new.csv", "--against", "P30D", "--adjust", "file", "--as-if-at", "now"], "leave --as-if-at out"),
        (["new.csv", "--against", "P30D", "--booked-at", "now"], "it needs --adjust FILE"),
        (["published", "--against", "a month"], "--against a month: no duration, as P30D, PT12H or 600 (seconds)"),
        (["published", "--against", "P30D", "--as-if-at", "2026-10-01"], "--as-if-at 2026-10-01: has no time zone"),
        (["none.csv", "published"], "none.csv: No such file or directory"),
    ],
)
def test_what_does_not_go_together_in_rates_diff(tmp_path: Path, arguments: list[str], says: str) -> None:
    status = 1 if arguments[0] == "published" else 2
    assert says in one_line("rates", "diff", *arguments, "--data-dir", str(tmp_path), status=status, **NOWHERE)
