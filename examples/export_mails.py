"""The e-mails about exports: an e-mail service as another team would write it, in one file.

    python examples/export_mails.py --help

It reads `export-notifications` with plain confluent-kafka and the registry's schemas, drops a notification whose mail it has
made (a crash can repeat one), and writes each mail as an .eml file and an HTML preview into a folder. With --smtp it sends
them. Nothing here imports the project: copy it.

The order, for each notification: send, then write the .eml, then commit the offset. The .eml remembers that the
mail is sent. A crash between the first two sends one mail twice; no crash loses one.
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
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

# What the registry's client raises where the registry does not answer.
from httpx2 import HTTPError

logger = logging.getLogger("export_mails")

TOPIC = "export-notifications"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WEB_ADDRESS = re.compile(r"https?://[^\s]+")
# Nobody's address: a name under `invalid` never leads anywhere.
NOBODY = "unknown-user@example.invalid"

# The HTML of a mail. Every value that goes in is escaped, whatever it is: see `filled`.
HEAD = Template("""\
<!doctype html><html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>$subject</title></head>
<body style="margin:0;padding:32px 12px;background:#f4f6f8;color:#1b2733;font:16px/1.55 'Segoe UI',Roboto,Arial,sans-serif">
<div style="max-width:536px;margin:0 auto;padding:28px 32px;background:#ffffff;border:1px solid #d9e0e7;border-radius:12px">
<p style="margin:0 0 20px;font-weight:bold">Example Telecom</p>
<h1 style="font-size:24px;line-height:1.25;margin:0 0 12px">$subject</h1>
""")
PARAGRAPH = Template('<p style="margin:0 0 8px">$text</p>\n')
BUTTON = Template("""\
<p style="margin:24px 0"><a href="$url" style="display:inline-block;background:#0b5f8a;color:#ffffff;\
text-decoration:none;font-weight:bold;padding:13px 24px;border-radius:8px">$button</a></p>
""")
END = Template('<p style="color:#52606d;font-size:13px">$why_you</p>\n</div></body></html>\n')
NO_REASON = "There was a problem on our side. Please wait a few minutes and try again from the Dashboard."
WHY_YOU = "You get this mail because you, or somebody with your log-in, asked for an export."


@dataclass(frozen=True)
class Content:
    """What a mail says, once for its text and its HTML: paragraphs before the button, which leads to `url`, and after it."""

    subject: str
    before: list[str]
    button: str
    url: str
    after: list[str]

    @property
    def text(self) -> str:
        return "\n\n".join([self.subject, *self.before, f"{self.button}:\n{self.url}", *self.after, WHY_YOU]) + "\n"

    @property
    def html(self) -> str:
        before, after = ([filled(PARAGRAPH, text=text) for text in texts] for texts in (self.before, self.after))
        button = filled(BUTTON, url=self.url, button=self.button)
        return "".join([filled(HEAD, subject=self.subject), *before, button, *after, filled(END, why_you=WHY_YOU)])


@dataclass(frozen=True)
class Mail:
    """A mail about one notification, and its HTML alone for a look at it."""

    message: EmailMessage
    html: str


def rendered(notification: Mapping[str, Any], *, sender: str, recipient: str, dashboard_url: str) -> Mail:
    """The mail for a notification as AvroDeserializer gives it: times are aware datetimes. Pure."""
    is_completed = notification["status"] == "completed"
    content = _completed(notification) if is_completed else _failed(notification, dashboard_url)
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["To"], message["Subject"] = sender, recipient, content.subject
    message["Date"] = notification["notified_at"]
    # The same for the same notification: mail programs show a repeated mail once.
    message["Message-ID"] = f"<{notification['notification_id']}@export-notifications.example.com>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(content.text)
    message.add_alternative(content.html, subtype="html")
    return Mail(message, content.html)


def filled(template: Template, **values: str) -> str:
    """Only here do values become HTML: all of them are escaped, quotes too."""
    return template.substitute({name: escape(value) for name, value in values.items()})


def _completed(notification: Mapping[str, Any]) -> Content:
    zone = _zone(notification["time_zone"])
    period, expires = _period(notification, zone), notification["expires_at"].astimezone(zone)
    return Content(
        subject=f"Your credit movements are ready: {period}",
        before=[f"Your export has every charge, top-up and adjustment of account {one_line(notification['account_id'])}."],
        button="Download Export", url=notification["download_url"],
        after=[
            f"Period: {period} ({zone.key})", f"File: {one_line(notification['file_name'])}",
            f"Movements: {notification['row_count']:,}", f"Size: {told_size(notification['size_bytes'])}",
            f"The link works until {_day(expires)}, {expires:%H:%M (%Z)}.",
            "Whoever has it can open the file: do not pass it on.",
        ],
    )  # fmt: skip


def _failed(notification: Mapping[str, Any], dashboard_url: str) -> Content:
    # Without a known time zone there is no period.
    zone = _zone(notification["time_zone"])
    of_period = f" from {_period(notification, zone)} ({zone.key})" if notification["period_from"] else ""
    return Content(
        subject="Your export did not work: please try again",
        before=[f"The export of account {one_line(notification['account_id'])}{of_period} could not be finished.",
                one_line(notification["error_message"] or NO_REASON)],
        button="Try again from the Dashboard", url=dashboard_url,
        after=["Nothing was charged and nothing was changed."],
    )  # fmt: skip


def one_line(text: str) -> str:
    """An account id may hold anything; line breaks and other control characters would let it write a mail of its own."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def what_is_wrong(notification: Mapping[str, Any]) -> str | None:
    """What the exporter would never write: no mail is made of it. None if all is well."""
    if not UUID.fullmatch(notification["notification_id"]):
        return "its id is no UUID, and would name a file"
    # Escaping makes no `javascript:` harmless.
    if notification["status"] == "completed" and not WEB_ADDRESS.fullmatch(notification["download_url"] or ""):
        return "its link is no web address"
    return None


def _zone(name: str | None) -> ZoneInfo:
    return ZoneInfo(name if name in available_timezones() else "UTC")


def _period(notification: Mapping[str, Any], zone: ZoneInfo) -> str:
    return " to ".join(_day(notification[name].astimezone(zone)) for name in ("period_from", "period_to"))


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def told_size(size_bytes: int) -> str:
    for unit, length in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= length:
            return f"{size_bytes // (length // 10) / 10:.1f} {unit}"
    return f"{size_bytes} bytes"


@dataclass(frozen=True)
class Mailer:
    """Makes each notification's mail once. `addresses`: the id of a user → the address, "*" that of all others; here the real
    service would ask whether that user is an admin of the account."""

    folder: Path
    addresses: Mapping[str, str]
    sender: str
    dashboard_url: str
    smtp: tuple[str, int] | None

    def take(self, notification: Mapping[str, Any]) -> Path | None:
        """The .eml of the mail; None if it was made before, or if something is wrong. Raises OSError and SMTPException."""
        if (wrong := what_is_wrong(notification)) is not None:
            logger.warning("a notification is dropped: %s", wrong)
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        eml = self.folder / f"{notification['notification_id']}.eml"
        if eml.exists():
            logger.info("%s has its mail already: dropped", eml.stem)
            return None
        address = self.addresses.get(notification["requested_by"] or "", self.addresses.get("*"))
        mail = rendered(notification, sender=self.sender, recipient=address or NOBODY, dashboard_url=self.dashboard_url)
        if self.smtp is not None and address is not None:
            with smtplib.SMTP(*self.smtp, timeout=30) as server:
                server.send_message(mail.message)
        elif self.smtp is not None:
            logger.warning("%s is not sent: nobody knows the address of its user", eml.stem)
        eml.with_suffix(".html").write_text(mail.html, encoding="utf-8")
        # Appears whole or not at all: it says that this mail is done.
        unfinished = eml.with_suffix(".part")
        unfinished.write_bytes(mail.message.as_bytes())
        unfinished.replace(eml)
        return eml


def read(file: Path | None) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file else {}


def run(options: argparse.Namespace, stop: threading.Event) -> None:
    """Read until stopped, or with --once to the end of the topic. Raises KafkaException, SchemaRegistryError, HTTPError."""
    mailer = Mailer(options.folder, read(options.addresses), options.sender, options.dashboard_url, options.smtp)
    decode = AvroDeserializer(SchemaRegistryClient(options.registry), conf={"subject.name.strategy.type": "TOPIC"})
    consumer = Consumer({
        "bootstrap.servers": options.bootstrap_servers, **read(options.config), "group.id": options.group,
        "auto.offset.reset": "earliest", "isolation.level": "read_committed", "enable.auto.commit": False,
        "enable.partition.eof": True,
    })  # fmt: skip
    try:
        unfinished = _begin(consumer, options.once)
        while not stop.is_set() and (unfinished or not options.once):
            if (message := consumer.poll(0.5)) is None:
                continue
            if (error := message.error()) is None:
                eml = mailer.take(decode(message.value(), SerializationContext(TOPIC, MessageField.VALUE)))
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


def _begin(consumer: Consumer, once: bool) -> set[int | None]:
    """The partitions to read to their ends with --once: all, from the beginning, without a group. Else a group shares them."""
    if not once:
        consumer.subscribe([TOPIC])
        return set()
    topic = consumer.list_topics(TOPIC, timeout=10).topics[TOPIC]
    if topic.error is not None:
        raise KafkaException(topic.error)
    consumer.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in topic.partitions])
    return set(topic.partitions)


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
    parser.add_argument("--config", type=Path, help="JSON file: librdkafka's properties, as for TLS and a password")
    parser.add_argument("--registry-config", type=Path, help="JSON file: properties of the registry's client")
    parser.add_argument("--group", default="export-mails", help="consumer group")
    parser.add_argument("--folder", type=Path, default=Path("mails"), help="where .eml and .html files go")
    parser.add_argument("--once", action="store_true", help="read to the end of the topic, and end")
    parser.add_argument("--sender", default="Example Telecom Billing <billing@example.com>", help="From")
    parser.add_argument("--addresses", type=Path, help='JSON file, {"user id": "address"}; "*": of all others')
    parser.add_argument("--dashboard-url", default="http://127.0.0.1:18080/dashboard/", help="where a failure leads")
    parser.add_argument("--smtp", type=_host_and_port, metavar="HOST:PORT", help="send the mails, too")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(message)s")
    logger.setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        options.registry = {"url": options.schema_registry, **read(options.registry_config)}
        run(options, stop)
    except (SchemaRegistryError, HTTPError) as error:
        sys.exit(f"export_mails: schema registry {options.registry['url'].rpartition('@')[2]}: {error}")
    except KafkaException as error:
        sys.exit(f"export_mails: topic {TOPIC}, group {options.group}: {error.args[0].str()}")
    except (OSError, smtplib.SMTPException) as error:
        sys.exit(f"export_mails: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
