"""The example of a publisher: its events are those of the contract, and its mistakes one line."""

import argparse
import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest
from httpx2 import HTTPError

from examples.publish_events import event_of, main, nanos_of, parser, properties
from schemas.avro_schemas import schema_text

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "publish_events.py"
EVENT_ID = str(UUID(int=7))
NOW = 1_760_000_000_000_000


def made(*arguments: str) -> tuple[str, dict[str, Any]]:
    return event_of(parser().parse_args(["--account", "acme", *arguments]), NOW, EVENT_ID)


@pytest.mark.parametrize(
    ("arguments", "topic", "record"),
    [
        (("--type", "sms", "--quantity", "2", "--destination", "+491"), "usage-events", "UsageEvent"),
        (("--user", "anna", "--direction", "inbound", "--from-number", "+491"), "usage-events", "UsageEvent"),
        (("--top-up", "12.50"), "top-up-events", "TopUpEvent"),
        (("--adjust", "12.50"), "adjustment-events", "AdjustmentEvent"),
        (("--adjust", "-25", "--kind", "chargeback", "--movement", EVENT_ID), "adjustment-events", "AdjustmentEvent"),
    ],
)
def test_an_event_is_one_of_the_contract(arguments: tuple[str, ...], topic: str, record: str) -> None:
    named, event = made(*arguments)
    schema = fastavro.parse_schema(json.loads(schema_text(record)))
    fastavro.schemaless_writer(BytesIO(), schema, event, strict=True)
    assert named == topic
    assert (event["event_id"], event["account_id"], event["occurred_at"]) == (EVENT_ID, "acme", NOW)


def test_money_is_exact() -> None:
    assert nanos_of("0.1") + nanos_of("0.2") == nanos_of("0.3") == 300_000_000
    assert made("--top-up", "25")[1]["amount_nanos"] == 25 * 10**9
    assert made("--adjust", "-0.0796")[1]["amount_nanos"] == -79_600_000


def test_an_event_that_is_sent_again_is_the_same_event(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []

    class Noted:
        def __init__(self, *_: object) -> None: ...

        def publish(self, _: str, event: dict[str, Any]) -> None:
            sent.append(event)

    monkeypatch.setattr("examples.publish_events.Publisher", Noted)
    again = ("--event-id", EVENT_ID, "--occurred-at", str(NOW))
    for _ in range(2):
        main(["--account", "acme", "--adjust", "1", *again])
    assert sent[0] == sent[1]
    assert (sent[0]["event_id"], sent[0]["occurred_at"]) == (EVENT_ID, NOW)


@pytest.mark.parametrize("text", ["", "ten", "1,5", "NaN", "Infinity", "0.0000000001"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        nanos_of(text)


def test_of_a_registry_that_does_not_answer_the_last_line_says_so() -> None:
    ended = subprocess.run(
        (sys.executable, str(EXAMPLE), "--account", "acme", "--schema-registry", "http://user:topsecret@127.0.0.1:1"),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    # Before it librdkafka logs that Kafka does not answer either.
    assert ended.stderr.strip().splitlines()[-1].startswith("publish_events: ")
    assert "topsecret" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_properties_come_from_a_file_and_what_is_none_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "kafka.json"
    file.write_text('{"sasl.username": "publisher"}', encoding="utf-8")
    options = parser().parse_args(["--account", "acme", "--config", str(file)])
    assert options.config == {"sasl.username": "publisher"}
    file.write_text("no JSON", encoding="utf-8")
    for wrong in (file, tmp_path / "none.json"):
        with pytest.raises(argparse.ArgumentTypeError):
            properties(str(wrong))


def test_an_error_names_the_registry_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*_: object) -> None:
        raise HTTPError("connection refused")

    monkeypatch.setattr("examples.publish_events.Publisher", refused)
    file = tmp_path / "registry.json"
    file.write_text('{"url": "https://user:secret@registry:8081"}')
    with pytest.raises(SystemExit) as ended:
        main(["--account", "acme", "--registry-config", str(file)])
    assert ended.value.code == "publish_events: schema registry registry:8081: connection refused"
