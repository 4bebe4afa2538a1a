"""Another team's view: plain Kafka clients, fastavro and the registry's schemas on one side, a browser on the other.

Nothing here uses the project's own codec or clients; what is right is what the oracle says.
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
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import fastavro
import pytest
from aiokafka.partitioner import murmur2
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from credit_movements.demo.oracle import NANO, Oracle
from streams.pricing.deck.parsing import COLUMNS
from tests.acceptance.command import RunningUp, run, running_up

PARTITIONS = 12
DAY = 86_400 * 10**6
NOW = time.time_ns() // 1000
ACCOUNT = "Żółw & Söhne 📞"
OTHER = "żółw & söhne 📞"
DECK = f"""{",".join(COLUMNS)}
default,call,,World,seconds,1,60,60,0.0074074,60,EUR,2020-01-01T00:00:00Z,
default,call,49,Germany,seconds,1,30,6,0.0305,60,EUR,2020-01-01T00:00:00Z,
default,call,4915,Germany mobile,seconds,1,1,1,0.07,60,EUR,2020-01-01T00:00:00Z,
default,sms,,World,fragments,1,1,1,0.065,,EUR,2020-01-01T00:00:00Z,
default,ai-voice-agents,,,minutes,60,60,60,0.12,1,EUR,2020-01-01T00:00:00Z,
default,stt,,free of charge,minutes,60,60,60,0,1,EUR,2020-01-01T00:00:00Z,
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    folder = tmp_path_factory.mktemp("up")
    (folder / "rates.csv").write_text(DECK)
    with running_up(folder) as running:
        yield running


class Team:
    """A team with a Kafka client, fastavro, and the address of the registry."""

    def __init__(self, up: RunningUp) -> None:
        self._up = up
        self._schemas: dict[str, tuple[int, Any]] = {}
        self._producer = Producer({"bootstrap.servers": up.kafka, "partitioner": "murmur2_random"})

    def schema(self, topic: str) -> tuple[int, Any]:
        if topic not in self._schemas:
            with urllib.request.urlopen(f"{self._up.registry}/subjects/{topic}-value/versions/latest") as answer:
                latest = json.load(answer)
            self._schemas[topic] = latest["id"], fastavro.parse_schema(json.loads(latest["schema"]))
        return self._schemas[topic]

    def encode(self, topic: str, record: dict[str, Any]) -> bytes:
        schema_id, schema = self.schema(topic)
        target = BytesIO()
        times = {name: _aware(value) for name, value in record.items() if name.endswith("_at")}
        fastavro.schemaless_writer(target, schema, {**record, **times})
        return b"\0" + schema_id.to_bytes(4, "big") + target.getvalue()

    def publish(self, topic: str, *records: dict[str, Any]) -> None:
        for record in records:
            self.send(topic, record["account_id"], self.encode(topic, record))
        assert self._producer.flush(30) == 0

    def send(self, topic: str, key: str, value: bytes) -> None:
        self._producer.produce(topic, key=key, value=value)

    def decode(self, message: Message) -> dict[str, Any]:
        value = message.value()
        assert value is not None
        record = fastavro.schemaless_reader(BytesIO(value[5:]), self.schema(str(message.topic()))[1], None)
        assert isinstance(record, dict)
        return record

    def read(self, topic: str, enough: Callable[[list[Message]], bool]) -> list[Message]:
        consumer = Consumer(
            {"bootstrap.servers": self._up.kafka, "group.id": "team", "isolation.level": "read_committed"}
        )
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        messages: list[Message] = []
        deadline = time.monotonic() + 60
        while not enough(messages):
            assert time.monotonic() < deadline, f"{topic}: only {len(messages)} messages came"
            messages += [message for message in consumer.consume(1000, 0.2) if message.error() is None]
        consumer.close()
        return messages


def _aware(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 10**6, UTC).replace(microsecond=micros % 10**6)


def usage(number: int, **fields: Any) -> dict[str, Any]:
    types = ("call", "sms", "ai-voice-agents", "stt")
    destinations = ("+49 151 2345", "+49301234", "+44 20 7946", None, "anonymous")
    return {
        "event_id": str(UUID(int=number * 0x9E3779B97F4A7C15 % 2**128)), "account_id": ACCOUNT,
        "interaction_id": f"int-{number}", "usage_type": types[number % 4], "quantity": number * 7 % 400,
        "destination": destinations[number % 5], "occurred_at": NOW - number * 2_711_000_003 % (34 * DAY), "user_id": None,
    } | fields  # fmt: skip


def top_up(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": str(UUID(int=2**127 + number)), "account_id": ACCOUNT, "interaction_id": f"payment-{number}",
        "amount_nanos": 123_456_789_012 + number, "currency": "EUR", "occurred_at": NOW - number * DAY,
    } | fields  # fmt: skip


NASTY_IDS = [
    "=1+1",
    "+44 20",
    "-5",
    "@SUM(A1)",
    'say "hi"',
    "a,b",
    "line\nbreak",
    "tab\tinside",
    "\tlead",
    "Привет",
    "مرحبا",
    "😀",
]
EVENTS = [
    *(usage(number) for number in range(1, 800)),
    *(usage(number) for number in range(1, 40)),
    usage(5, quantity=399),
    usage(2000, usage_type="fax"),
    usage(2001, quantity=-1),
    usage(2002, quantity=259_201),
    usage(2003, occurred_at=NOW - 36 * DAY),
    usage(2004, event_id="not-a-uuid"),
    *(usage(3000 + number, usage_type="sms", quantity=1, interaction_id=each) for number, each in enumerate(NASTY_IDS)),
    *(usage(4000 + number, account_id=OTHER) for number in range(100)),
]
TOP_UPS = [*(top_up(number) for number in range(5)), top_up(1), top_up(9, currency="USD")]
GARBAGE = [b"", b"\0\0\0\0", b"\1\0\0\0\1abc", b"\0\0\0\0\7" + bytes(70_000)]


def as_oracle_sees(topic: str, record: dict[str, Any]) -> dict[str, Any]:
    shape = {
        "usage_type": None,
        "quantity": 0,
        "destination": None,
        "user_id": None,
        "amount_nanos": None,
        "currency": None,
    }
    place = {
        "partition": (murmur2(record["account_id"].encode()) & 0x7FFFFFFF) % PARTITIONS,
        "recorded_at": NOW,
        "newest_at": NOW,
    }
    return {**shape, **record, **place, "source_topic": topic}


def told_by_the_oracle() -> tuple[Counter[str], Counter[str], list[tuple[dict[str, Any], Any]]]:
    """Outcomes of usage events, of top-ups, and the movements as (event, what the oracle makes of it)."""
    lines = list(csv.DictReader(io.StringIO(DECK)))
    rates = [
        {**line, **{name: int(line[name]) for name in ("unit_size", "initial_increment", "increment")},
         "price_nanos": int(Decimal(line["price"]) / NANO), "price_units": int(line["price_units"] or 1),
         "effective_from": 0, "effective_to": None}
        for line in lines
    ]  # fmt: skip
    oracle = Oracle(rates, [], "default", PARTITIONS)
    counts = Counter[str](), Counter[str]()
    movements = []
    for count, (topic, records) in zip(counts, (("usage-events", EVENTS), ("top-up-events", TOP_UPS)), strict=True):
        for record in records:
            kind, result = oracle.outcome(as_oracle_sees(topic, record))
            count[result if kind == "refused" else kind] += 1
            if kind == "movement":
                movements.append((record, result))
    return *counts, movements


def expected_csv(movements: list[tuple[dict[str, Any], Any]], period_to: int) -> bytes:
    today = datetime.fromtimestamp(period_to // 10**6, UTC).replace(hour=0, minute=0, second=0)
    period_from = int(today.timestamp()) * 10**6 - 30 * DAY
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(
        ["Date & Time", "Interaction ID", "Description", "Units", "Units charged", "Value per unit", "Credit movement"]
    )
    mine = [each for each in movements if each[0]["account_id"] == ACCOUNT and each[1][0]]
    for event, (amount, units, unit, priced) in sorted(
        mine, key=lambda each: (each[0]["occurred_at"], each[0]["event_id"])
    ):
        if not period_from <= event["occurred_at"] < period_to:
            continue
        name = event["interaction_id"]
        guarded = f"'{name}" if name.lstrip("\0")[:1] in {*"=+-@\uff1d\uff0b\uff0d\uff20\t\r\n"} else name
        numbers = ["", "", ""] if priced is None else [unit, str(units), value_per_unit(event["usage_type"], priced[0])]
        writer.writerow(
            [
                f"{_aware(event['occurred_at']):%Y-%m-%d %H:%M:%S}",
                guarded,
                event.get("usage_type", "top-up"),
                *numbers,
                _plain(amount),
            ]
        )
    return target.getvalue().encode()


def value_per_unit(usage_type: str, prefix: str) -> str:
    """As the contract's 3.3 prints it: exactly, or with 18 decimals, rounded away from zero."""
    (line,) = (
        line
        for line in csv.DictReader(io.StringIO(DECK))
        if (line["usage_type"], line["destination_prefix"]) == (usage_type, prefix)
    )
    value = Decimal(line["price"]) / Decimal(line["price_units"] or 1)
    return f"{value.quantize(Decimal('1e-18'), ROUND_UP).normalize():f}"


def _plain(amount: Decimal) -> str:
    return f"{amount.quantize(NANO).normalize():f}"


def headers(message: Message) -> dict[str, bytes]:
    return dict(message.headers() or [])  # type: ignore[arg-type]


def test_from_events_to_the_file_as_other_teams_see_it(up: RunningUp) -> None:
    team = Team(up)
    team.publish("usage-events", *EVENTS)
    team.publish("top-up-events", *TOP_UPS)
    for value in GARBAGE:
        team.send("usage-events", ACCOUNT, value)
    team.publish("usage-events", usage(9999, account_id="the last one"))
    used, paid, movements = told_by_the_oracle()

    lines = [
        team.decode(message) for message in team.read("credit-movements", lambda found: len(found) > len(movements))
    ]
    by_id = {line["movement_id"]: line for line in lines}
    assert len(lines) == len(by_id) == used["movement"] + paid["movement"] + 1
    for event, (amount, units, unit, priced) in movements:
        line = by_id[event["event_id"]]
        assert Decimal(line["credit_movement_nanos"]) * NANO == amount
        assert (line["units_charged"], line["unit"], line["account_id"]) == (units, unit, event["account_id"])
        assert line["destination_prefix"] == (None if priced is None else priced[0])

    refused = {name: count for name, count in used.items() if name not in ("movement", "duplicate")}
    letters = team.read("usage-events.dlq", lambda found: len(found) >= sum(refused.values()) + len(GARBAGE))
    assert Counter(headers(each)["dlq.reason"].decode() for each in letters) == {**refused, "undecodable": len(GARBAGE)}
    assert {each.value() for each in letters if headers(each)["dlq.reason"] == b"undecodable"} == set(GARBAGE)
    (letter,) = team.read("top-up-events.dlq", lambda found: len(found) >= 1)
    assert headers(letter)["dlq.reason"] == b"currency_mismatch"

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
    events.write_text(json.dumps({**one, "occurred_at": _aware(one["occurred_at"]).isoformat()}) + "\n")
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
