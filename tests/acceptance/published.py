"""What another team publishes, and what the oracle makes of it: movements, refusals, and the file that the customer gets."""

import csv
import io
import time
from collections import Counter
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from typing import Any
from uuid import UUID

from aiokafka.partitioner import murmur2

from credit_movements.demo.oracle import NANO, Oracle
from streams.pricing.deck.sheet import COLUMNS
from tests.acceptance.team import PARTITIONS, utc

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


def adjustment(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": str(UUID(int=2**126 + number)), "account_id": ACCOUNT, "interaction_id": f"ticket-{number}",
        "kind": "refund", "amount_nanos": 1_234_567_891 + number, "currency": "EUR",
        "movement_id": usage(number)["event_id"], "reason": "bad line\nticket 🎫", "occurred_at": NOW - number * DAY,
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
ADJUSTMENTS = [
    *(adjustment(number) for number in range(1, 5)),
    adjustment(1),
    adjustment(2, reason=None),
    adjustment(5, kind="chargeback", amount_nanos=-1, movement_id=None, reason=None),
    adjustment(6, kind="correction", amount_nanos=1 - 10**18, interaction_id="=1+1"),
    adjustment(7, account_id=OTHER),
    adjustment(8, amount_nanos=0),
    adjustment(9, currency="USD"),
    adjustment(10, kind="gift"),
    adjustment(11, movement_id="not-a-uuid"),
]
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
    position = {
        "partition": (murmur2(record["account_id"].encode()) & 0x7FFFFFFF) % PARTITIONS,
        "recorded_at": NOW,
        "newest_at": NOW,
    }
    return {**shape, **record, **position, "source_topic": topic}


def expected_outcomes() -> tuple[Counter[str], Counter[str], Counter[str], list[tuple[dict[str, Any], Any]]]:
    """Outcomes of usage events, of top-ups, of adjustments, and the movements as (event, what the oracle makes of it)."""
    lines = list(csv.DictReader(io.StringIO(DECK)))
    rates = [
        {**line, **{name: int(line[name]) for name in ("unit_size", "initial_increment", "increment")},
         "price_nanos": int(Decimal(line["price"]) / NANO), "price_units": int(line["price_units"] or 1),
         "effective_from": 0, "effective_to": None}
        for line in lines
    ]  # fmt: skip
    oracle = Oracle(rates, [], "default", PARTITIONS)
    counts = Counter[str](), Counter[str](), Counter[str]()
    movements = []
    published = (("usage-events", EVENTS), ("top-up-events", TOP_UPS), ("adjustment-events", ADJUSTMENTS))
    for count, (topic, records) in zip(counts, published, strict=True):
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
                f"{utc(event['occurred_at']):%Y-%m-%d %H:%M:%S}",
                guarded,
                event.get("usage_type", event.get("kind", "top-up")),
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
