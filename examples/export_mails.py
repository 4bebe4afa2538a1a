"""The e-mails about exports: an e-mail service as another team would write it, in one file.

    python examples/export_mails.py --help

It reads `export-notifications` with plain confluent-kafka and the registry's schemas, drops a notification that it has seen
(a crash can repeat one), and writes each mail as an .eml file and an HTML preview into a folder. With --smtp it sends them.
Nothing here imports the project: copy it.

The order, for each notification: send, then write the .eml, then commit the offset. The .eml is the memory of what was
sent; a crash between the first two sends one mail twice, and no crash loses one.
"""

import argparse
import json
import logging
import re
import signal
import smtplib
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

logger = logging.getLogger("export_mails")

TOPIC = "export-notifications"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WEB_ADDRESS = re.compile(r"https?://[^\s]+")
# Nobody's address: a name under `invalid` never leads anywhere.
NOBODY = "unknown-user@example.invalid"
TRY_AGAIN = "Please wait a few minutes and try again from the Dashboard"

TEXTS = {
    "completed": Template("""\
Your credit movements are ready

The export you asked for is finished: every charge and top-up of account
$account from $period ($zone).

Download Export:
$url

File:       $file_name
Movements:  $rows
Size:       $size
The link works until $expires. Whoever has it can open the file: do not pass it on.

$why_you
"""),
    "failed": Template("""\
Your export did not work

The export of the credit movements of account $account$of_period could not be
finished. $what_happened

Nothing was charged and nothing was changed. The Dashboard:
$url
"""),
}
# Every value that goes in here is escaped, whatever it is: see `filled`.
HTML_FRAME = Template("""\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>$subject</title></head>
<body style="margin:0;background:#f4f6f8;color:#1b2733;font:16px/1.55 'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<div style="display:none;max-height:0;overflow:hidden">$preview</div>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#f4f6f8"><tr>
<td align="center" style="padding:32px 12px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"
 style="max-width:600px;background:#ffffff;border:1px solid #d9e0e7;border-radius:12px;text-align:left">
<tr><td style="padding:20px 32px;border-bottom:1px solid #d9e0e7;font-weight:bold">Example Telecom</td></tr>
<tr><td style="padding:28px 32px 32px">
""")
HTML_END = Template("""\
</td></tr></table>
<p style="max-width:600px;margin:16px auto 0;color:#52606d;font-size:13px">$why_you</p>
</td></tr></table>
</body>
</html>
""")
BUTTON = (
    '<p style="margin:24px 0"><a href="$url" style="display:inline-block;background:#0b5f8a;color:#ffffff;'
    'text-decoration:none;font-weight:bold;padding:13px 24px;border-radius:8px">$button</a></p>'
)
ROW = (
    '<tr><td style="padding:4px 20px 4px 0;color:#52606d;white-space:nowrap;vertical-align:top">{}</td>'
    '<td style="padding:4px 0;word-break:break-word">{}</td></tr>'
)
HTML = {
    "completed": Template(
        '<h1 style="font-size:24px;line-height:1.25;margin:0 0 12px">Your credit movements are ready</h1>\n'
        '<p style="margin:0">The export you asked for is finished: every charge and top-up of account '
        "<strong>$account</strong>.</p>\n"
        + BUTTON
        + '\n<table role="presentation" cellpadding="0" cellspacing="0" style="font-size:15px">'
        + ROW.format("Period", "$period ($zone)")
        + ROW.format("File", "$file_name")
        + ROW.format("Movements", "$rows")
        + ROW.format("Size", "$size")
        + ROW.format("Link works until", "$expires")
        + "</table>\n"
        '<p style="margin:20px 0 0;color:#52606d;font-size:14px">'
        "Whoever has this link can open the file: do not pass it on.</p>\n"
    ),
    "failed": Template(
        '<h1 style="font-size:24px;line-height:1.25;margin:0 0 12px">Your export did not work</h1>\n'
        '<p style="margin:0 0 12px">The export of the credit movements of account <strong>$account</strong>$of_period '
        "could not be finished.</p>\n"
        '<p style="margin:0;padding:14px 16px;background:#fcefee;border:1px solid #ecc3c0;border-radius:8px">'
        "$what_happened</p>\n"
        + BUTTON
        + '\n<p style="margin:0;color:#52606d;font-size:14px">Nothing was charged and nothing was changed.</p>\n'
    ),
}


@dataclass(frozen=True)
class Mail:
    """A mail about one notification, and its HTML alone for a look at it."""

    message: EmailMessage
    html: str


def rendered(notification: Mapping[str, Any], *, sender: str, recipient: str, dashboard_url: str) -> Mail:
    """The mail for a notification as AvroDeserializer gives it: times are aware datetimes. Pure."""
    status = "completed" if notification["status"] == "completed" else "failed"
    values = _completed(notification) if status == "completed" else _failed(notification, dashboard_url)
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["To"], message["Subject"] = sender, recipient, values["subject"]
    message["Date"] = notification["notified_at"]
    # The same for the same notification: mail programs show a repeated mail once.
    message["Message-ID"] = f"<{notification['notification_id']}@export-notifications.example.com>"
    message["Auto-Submitted"] = "auto-generated"
    html = "".join(filled(part, values) for part in (HTML_FRAME, HTML[status], HTML_END))
    message.set_content(TEXTS[status].substitute(values))
    message.add_alternative(html, subtype="html")
    return Mail(message, html)


def filled(template: Template, values: Mapping[str, str]) -> str:
    """The one place where values become HTML: all of them are escaped, quotes too."""
    return template.substitute({name: escape(value) for name, value in values.items()})


def _completed(notification: Mapping[str, Any]) -> dict[str, str]:
    zone = _zone(notification["time_zone"])
    days = _days(notification, zone)
    return {
        "subject": f"Your credit movements are ready: {days}",
        "preview": f"{notification['row_count']:,} movements, {days}.",
        "account": one_line(notification["account_id"]),
        "period": days,
        "zone": zone.key,
        "url": notification["download_url"],
        "button": "Download Export",
        "file_name": one_line(notification["file_name"]),
        "rows": f"{notification['row_count']:,}",
        "size": told_size(notification["size_bytes"]),
        "expires": _moment(notification["expires_at"].astimezone(zone)),
        "why_you": "You get this mail because you, or somebody with your log-in, asked for this export.",
    }


def _failed(notification: Mapping[str, Any], dashboard_url: str) -> dict[str, str]:
    zone = _zone(notification["time_zone"])
    # It is not known where the time zone is not.
    has_period = notification["period_from"] is not None
    return {
        "subject": "Your export did not work: please try again",
        "preview": f"{TRY_AGAIN}.",
        "account": one_line(notification["account_id"]),
        "of_period": f" from {_days(notification, zone)} ({zone.key})" if has_period else "",
        "what_happened": one_line(notification["error_message"] or f"There was a problem on our side. {TRY_AGAIN}."),
        "url": dashboard_url,
        "button": "Try again from the Dashboard",
        "why_you": "You get this mail because you, or somebody with your log-in, asked for an export.",
    }


def one_line(text: str) -> str:
    """An account id may hold anything; line breaks and other control characters would let it write a mail of its own."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def what_is_wrong(notification: Mapping[str, Any]) -> str | None:
    """What the exporter would never write: no mail is made of it. None if all is well."""
    # It names a file.
    if not UUID.fullmatch(notification["notification_id"]):
        return "its id is no UUID"
    # Escaping makes no `javascript:` harmless.
    if notification["status"] == "completed" and not WEB_ADDRESS.fullmatch(notification["download_url"] or ""):
        return "its link is no web address"
    return None


def _zone(name: str | None) -> ZoneInfo:
    return ZoneInfo(name if name in available_timezones() else "UTC")


def _days(notification: Mapping[str, Any], zone: ZoneInfo) -> str:
    return " to ".join(_day(notification[name].astimezone(zone)) for name in ("period_from", "period_to"))


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _moment(moment: datetime) -> str:
    return f"{_day(moment)}, {moment:%H:%M} ({moment:%Z})"


def told_size(size_bytes: int) -> str:
    for unit, length in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= length:
            return f"{size_bytes // (length // 10) / 10:.1f} {unit}"
    return f"{size_bytes} bytes"


class Mailer:
    """Makes each notification's mail once. `addresses`: the id of a user → the address; here the real service would ask
    whether that user is an admin of the account."""

    def __init__(
        self, folder: Path, addresses: Mapping[str, str], sender: str, dashboard_url: str, smtp: tuple[str, int] | None
    ) -> None:
        self._folder = folder
        self._addresses = addresses
        self._sender = sender
        self._dashboard_url = dashboard_url
        self._smtp = smtp
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, notification: Mapping[str, Any]) -> Path | None:
        """The .eml of the mail; None if this notification was seen before. Raises OSError and SMTPException."""
        wrong = what_is_wrong(notification)
        if wrong is not None:
            logger.warning("a notification is dropped: %s", wrong)
            return None
        eml = self._folder / f"{notification['notification_id']}.eml"
        if eml.exists():
            logger.info("%s was seen before: dropped", eml.stem)
            return None
        address = self._addresses.get(notification["requested_by"] or "")
        mail = rendered(
            notification, sender=self._sender, recipient=address or NOBODY, dashboard_url=self._dashboard_url
        )
        if self._smtp is not None and address is not None:
            with smtplib.SMTP(*self._smtp, timeout=30) as server:
                server.send_message(mail.message)
        elif self._smtp is not None:
            logger.warning("%s is not sent: nobody knows the address of its user", eml.stem)
        eml.with_suffix(".html").write_text(mail.html, encoding="utf-8")
        # Appears whole or not at all: it says that this mail is done.
        unfinished = eml.with_suffix(".part")
        unfinished.write_bytes(mail.message.as_bytes())
        unfinished.replace(eml)
        return eml


def run(options: argparse.Namespace, stop: threading.Event) -> int:
    """Read until stopped, or with --once to the end of the topic; gives how many mails were made. Raises KafkaException."""
    addresses = json.loads(options.addresses.read_text(encoding="utf-8")) if options.addresses else {}
    mailer = Mailer(options.folder, addresses, options.sender, options.dashboard_url, options.smtp)
    registry = SchemaRegistryClient({"url": options.schema_registry})
    decode = AvroDeserializer(registry, conf={"subject.name.strategy.type": "TOPIC"})
    consumer = Consumer(
        {
            "bootstrap.servers": options.bootstrap_servers,
            "group.id": options.group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    made = 0
    unfinished = _begin(consumer, options.once)
    try:
        while not stop.is_set() and (unfinished or not options.once):
            message = consumer.poll(0.5)
            if message is None:
                continue
            error = message.error()
            if error is None:
                value = decode(message.value(), SerializationContext(TOPIC, MessageField.VALUE))
                eml = mailer.take(value)
                made += eml is not None
                if eml is not None:
                    print(eml, flush=True)
                if not options.once:
                    consumer.commit(message=message, asynchronous=False)
            elif error.code() == KafkaError._PARTITION_EOF:
                unfinished.discard(message.partition())
            else:
                raise KafkaException(error)
    finally:
        consumer.close()
    return made


def _begin(consumer: Consumer, once: bool) -> set[int | None]:
    """The partitions to read to their ends with --once: all, from the beginning, without a group. Else a group shares them."""
    if not once:
        consumer.subscribe([TOPIC])
        return set()
    partitions = list(consumer.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions)
    consumer.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in partitions])
    return set(partitions)


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError("host:port, as localhost:1025")
    return host, int(port)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--bootstrap-servers", default="127.0.0.1:19092", help="Kafka")
    parser.add_argument("--schema-registry", default="http://127.0.0.1:18081", help="schema registry")
    parser.add_argument("--group", default="export-mails", help="consumer group")
    parser.add_argument("--folder", type=Path, default=Path("mails"), help="where .eml and .html files go")
    parser.add_argument("--once", action="store_true", help="read to the end of the topic, and end")
    parser.add_argument("--sender", default="Example Telecom Billing <billing@example.com>", help="From")
    parser.add_argument("--addresses", type=Path, help='JSON file, {"user id": "address"}')
    parser.add_argument(
        "--dashboard-url",
        default="http://127.0.0.1:18080/dashboard/",
        help="where «Try again from the Dashboard» leads",
    )
    parser.add_argument("--smtp", type=_host_and_port, metavar="HOST:PORT", help="send the mails, too")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(message)s")
    logger.setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(options, stop)
    except (KafkaException, OSError, smtplib.SMTPException) as error:
        sys.exit(f"export_mails: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
