"""What happens in the demo once the stack runs: traffic, a refund, a theft, two exports, and what came of it all."""

import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Message
from rich.console import Console

from credit_movements import clickhouse, clients
from credit_movements.clock import now_micros
from credit_movements.demo.company import Company, Outcomes
from credit_movements.demo.generated.theft import USER, stolen_calls
from credit_movements.demo.progress import (
    DemoFailedError,
    counted,
    rate_and_store,
    wait_until_stored,
    waiting_for_more,
)
from credit_movements.demo.refunds import refunds, right_rates
from credit_movements.exports.request import request_of_now
from credit_movements.publishing.records import publish
from credit_movements.settings import Settings, required
from credit_movements.verify.verification import manifest_beside
from credit_movements.whatif.mending import Mended, mend
from kafka_io.positions import TopicPartition
from kafka_io.reading import read_to_end
from schemas.dead_letters import read_headers
from schemas.topics import (
    ADJUSTMENT_EVENTS,
    CREDIT_ALERTS,
    EXPORT_NOTIFICATIONS,
    EXPORT_REQUESTS,
    TOP_UP_EVENTS,
    USAGE_EVENTS,
    Topic,
    dead_letter_topic,
)
from sinks.read.balance import Balance, read_balance
from sinks.read.spending import spending
from sinks.read.summed.grains import DAY, DESCRIPTION

DEMO_ZONE: Final = "Europe/Berlin"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXPORT_SECONDS = 120.0
# Long enough for a second notification to arrive, if there were one.
_QUIET_SECONDS = 3.0
_DOWNLOAD_SECONDS = 30.0
_MAILS_SECONDS = 60.0
_ALERT_SECONDS = 60.0
# Beside the packages, and no part of them: the demo runs in the repository.
_EXAMPLES = Path(__file__).parents[2] / "examples"
_SOURCES = (USAGE_EVENTS, TOP_UP_EVENTS, ADJUSTMENT_EVENTS)
_COUNT_LINES = "SELECT source_topic, count() FROM credit_movements FINAL GROUP BY source_topic"
_CORRECTED = """
SELECT toString(currency), sum(credit_movement) FROM credit_movements FINAL WHERE description = 'correction' GROUP BY 1
"""


@dataclass(frozen=True)
class DemoResult:
    """What was found. `read`: topic name → events that the rater read; `outcomes`: topic name → what they became;
    `refunds`: what support published; `stolen`: the usage of a theft, `alerts`: what the account was told of it, `alert_mail`:
    the mail about the first one; `requests` and `notifications`: the records of the export that was asked for twice;
    `spending`: of the export's period by day (of DEMO_ZONE) and description, as `sinks.read.spending` has it; `detailed`: the
    file of another form, and its notification; `mended`: a wrong price of the last month, and `corrected` the sum of all
    corrections in ClickHouse, by currency."""

    read: dict[str, int]
    outcomes: dict[str, Outcomes]
    seconds: float
    balances: list[Balance]
    refunds: list[dict[str, Any]]
    stolen: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    alert_mail: Path
    requests: list[dict[str, Any]]
    notifications: list[dict[str, Any]]
    csv_file: Path
    spending: list[dict[str, Any]]
    mails: list[Path]
    detailed: tuple[Path, dict[str, Any]]
    mended: Mended
    corrected: dict[str, Decimal]


def play(
    settings: Settings,
    environment: Mapping[str, str],
    company: Company,
    events: int,
    folder: Path,
    console: Console,
) -> DemoResult:
    """Play the demo on a running stack. Raises DemoFailedError."""
    began = time.monotonic()
    messages, movements = rate_and_store(settings, environment, company, events, console)
    seconds = time.monotonic() - began
    account_id = company.showcase_account_id
    with console.status("Support gives a call back, and sends the refund twice …"):
        given_back = refunds(company)
        publish(settings, ADJUSTMENT_EVENTS, given_back)
        more_movements = len({each["event_id"] for each in given_back})
        wait_until_stored(settings, messages + len(given_back), movements + more_movements)
    with console.status("At night a stolen SIP account calls Jamaica …"):
        stolen = stolen_calls(company.now_micros)
        publish(settings, USAGE_EVENTS, stolen)
        alerts = _alerts(settings, account_id)
        messages, movements = messages + len(given_back) + len(stolen), movements + more_movements + len(stolen)
        wait_until_stored(settings, messages, movements)
    with (
        console.status("The customer clicks «Export credit movements», twice …"),
        ThreadPoolExecutor(1) as beside,
    ):
        alert_mails = beside.submit(mails, settings, folder / "alerts", "alert_mails.py")
        # Together, as a double click sends them: an export takes less time than a program needs to ask once more.
        requests = [request_of_now(account_id, DEMO_ZONE, "user-1") for _ in range(2)]
        publish(settings, EXPORT_REQUESTS, requests)
        _wait_for_notifications(settings, 1)
        time.sleep(_QUIET_SECONDS)
        notifications = _notifications(settings)
        csv_file = _download(notifications[0], folder)
        made_mails = mails(settings, folder)
        alert_mail = next(each for each in alert_mails.result() if each.stem == alerts[0]["alert_id"])
    with console.status("The accountant asks for a sheet with all details …"):
        detailed = request_of_now(account_id, DEMO_ZONE, "user-2", columns="detailed", format="xlsx")
        publish(settings, EXPORT_REQUESTS, [detailed])
        _wait_for_notifications(settings, len(notifications) + 1)
        told = next(each for each in _notifications(settings) if each["export_id"] == detailed["request_id"])
        sheet = _download(told, folder)
    client = clickhouse.checked_client(settings)
    try:
        stored = {str(topic): int(count) for topic, count in client.query(_COUNT_LINES).result_rows}
        balances = read_balance(client, account_id)
        first, end = (_EPOCH + timedelta(microseconds=notifications[0][name]) for name in ("period_from", "period_to"))
        spent = spending(client, account_id, first, end, (DAY, DESCRIPTION), DEMO_ZONE)
        outcomes = {topic.name: _outcomes(settings, topic, stored.get(topic.name, 0)) for topic in _SOURCES}
        read = {
            topic.name: counted(settings.rater_http_port, "credit_events_consumed", topic=topic.name)
            for topic in _SOURCES
        }
        # All is counted: what comes now is a story of its own.
        with console.status("Finance finds a price that was twice what it should have been …"):
            mended = mend(
                settings,
                right_rates(company),
                folder / "corrections.jsonl",
                now_micros(),
                waiting_for_more(settings),
            )
        corrected = {str(currency): amount for currency, amount in client.query(_CORRECTED).result_rows}
    finally:
        client.close()
    return DemoResult(
        read=read,
        outcomes=outcomes,
        seconds=seconds,
        balances=balances,
        refunds=given_back,
        stolen=stolen,
        alerts=alerts,
        alert_mail=alert_mail,
        requests=requests,
        notifications=notifications,
        csv_file=csv_file,
        spending=spent,
        mails=made_mails,
        detailed=(sheet, told),
        mended=mended,
        corrected=corrected,
    )


def _outcomes(settings: Settings, topic: Topic, movements: int) -> Outcomes:
    """Movements from ClickHouse, duplicates from the rater, dead letters from their topic."""
    letters = _read_to_end(settings, dead_letter_topic(topic))
    reasons = Counter(read_headers(each.headers())["dlq.reason"] for each in letters)
    duplicates = counted(settings.rater_http_port, "credit_duplicates", topic=topic.name)
    return Outcomes(movements, duplicates, dict(sorted(reasons.items())))


def _wait_for_notifications(settings: Settings, count: int) -> None:
    deadline = time.monotonic() + _EXPORT_SECONDS
    while len(_read_to_end(settings, EXPORT_NOTIFICATIONS)) < count:
        if time.monotonic() > deadline:
            raise DemoFailedError(
                f"no export notification within {_EXPORT_SECONDS:g} s: the exporter's log may tell why"
            )
        time.sleep(0.2)


def _notifications(settings: Settings) -> list[dict[str, Any]]:
    codec = clients.codec(settings, EXPORT_NOTIFICATIONS)
    return [codec.decode_one(each.value()) for each in _read_to_end(settings, EXPORT_NOTIFICATIONS)]


def _download(notification: Mapping[str, Any], folder: Path) -> Path:
    """The file behind the link of a notification, fetched as the customer's browser would, and its manifest beside it."""
    if notification["status"] != "completed":
        raise DemoFailedError(f"the export failed ({notification['error_code']}): {notification['error_message']}")
    target = folder / str(notification["file_name"])
    for file, url in ((target, notification["download_url"]), (manifest_beside(target), notification["manifest_url"])):
        with urllib.request.urlopen(url, timeout=_DOWNLOAD_SECONDS) as answer:
            file.write_bytes(answer.read())
    return target


def _alerts(settings: Settings, account_id: str) -> list[dict[str, Any]]:
    """What the account was told of unusual spending of the user whose telephone was stolen, once it was."""
    codec = clients.codec(settings, CREDIT_ALERTS)
    deadline = time.monotonic() + _ALERT_SECONDS
    while time.monotonic() < deadline:
        alerts = [codec.decode_one(each.value()) for each in _read_to_end(settings, CREDIT_ALERTS)]
        found = [each for each in alerts if (each["account_id"], each["subject"]) == (account_id, f"user:{USER}")]
        if found:
            return found
        time.sleep(0.2)
    raise DemoFailedError(f"no alert within {_ALERT_SECONDS:g} s: the watch's log may tell why")


def mails(settings: Settings, folder: Path, example: str = "export_mails.py") -> list[Path]:
    """What the example of an e-mail service makes of its topic: a program of another team, so a process of its own."""
    command = (sys.executable, str(_EXAMPLES / example), "--once", "--folder", str(folder / "mails"))
    servers = ("--bootstrap-servers", required(settings, "kafka_bootstrap_servers"))
    registry = ("--schema-registry", required(settings, "schema_registry_url"))
    dashboard = ("--dashboard-url", f"http://127.0.0.1:{settings.export_http_port}/dashboard/")
    ended = subprocess.run(
        (*command, *servers, *registry, *dashboard), capture_output=True, text=True, timeout=_MAILS_SECONDS
    )
    if ended.returncode != 0:
        raise DemoFailedError(f"the example of an e-mail service failed: {ended.stderr.strip()}")
    return [Path(line) for line in ended.stdout.splitlines()]


def _read_to_end(settings: Settings, topic: Topic) -> list[Message]:
    partitions = [TopicPartition(topic.name, number) for number in range(clients.partition_count(settings, topic))]
    consumer = clients.reading_consumer(settings, "demo")
    never = threading.Event()
    try:
        batches = (batch for partition in partitions for batch in read_to_end(consumer, partition, 0, 0, never))
        return [message for batch in batches for message in batch]
    finally:
        consumer.close()
