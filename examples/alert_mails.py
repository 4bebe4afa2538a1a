"""The e-mails about alerts: a balance that is low or soon gone, spending that is unusual. In one file to copy.

    python examples/alert_mails.py --help

It reads `credit-alerts` with plain confluent-kafka and the registry's schemas, and drops an alert whose mail it has made: its
id names the mail's file. It writes each mail as an .eml file and an .html preview into a folder, and with --smtp it sends them.
Nothing here imports the project.

The order, for each alert: send, then write the .eml, then commit the offset. A crash between the first two sends one
mail twice, with the same Message-ID, which mail programs show once; no crash loses one.
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
from email import policy
from email.message import EmailMessage
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

# What the registry's client raises where the registry does not answer.
from httpx2 import HTTPError

logger = logging.getLogger("alert_mails")

TOPIC = "credit-alerts"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Nobody's address: a name under `invalid` never leads anywhere.
NOBODY = "unknown-account@example.invalid"

SUBJECTS = {
    "low_balance": "Your balance is low",
    "empty_soon": "Your balance will soon be used up",
    "unusual_spending": "Unusual spending: please have a look",
}
ADVICE = {
    "low_balance": "Top up, so that your calls and messages go on.",
    "empty_soon": "Top up, so that your calls and messages go on.",
    "unusual_spending": "If this is not you, change the password of the user or the telephone at once.",
}
# Every value that goes in is escaped, whatever it is.
HTML = Template("""\
<!doctype html><html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>$subject</title></head>
<body style="margin:0;padding:32px 12px;background:#f4f6f8;color:#1b2733;font:16px/1.55 'Segoe UI',Roboto,Arial,sans-serif">
<div style="max-width:536px;margin:0 auto;padding:28px 32px;background:#ffffff;border:1px solid #d9e0e7;border-radius:12px">
<h1 style="font-size:24px;line-height:1.25;margin:0 0 12px">$subject</h1>
<p>Account $account: $message</p>
<p>$advice</p>
<p style="margin:24px 0"><a href="$url" style="display:inline-block;background:#0b5f8a;color:#ffffff;text-decoration:none;\
font-weight:bold;padding:13px 24px;border-radius:8px">See where your credit goes</a></p>
</div></body></html>
""")


@dataclass(frozen=True)
class Mail:
    message: EmailMessage
    html: str


def rendered(alert: Mapping[str, Any], *, sender: str, recipient: str, dashboard_url: str) -> Mail:
    """The mail for an alert as AvroDeserializer gives it: times are aware datetimes. Pure."""
    subject, advice = SUBJECTS[alert["kind"]], ADVICE[alert["kind"]]
    account, told = one_line(alert["account_id"]), one_line(alert["message"])
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["To"], message["Subject"] = sender, recipient, subject
    message["Date"] = alert["raised_at"]
    # The same for the same alert.
    message["Message-ID"] = f"<{alert['alert_id']}@credit-alerts.example.com>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        f"{subject}\n\nAccount {account}: {told}\n\n{advice}\n\nSee where your credit goes:\n{dashboard_url}\n"
    )
    values = {"subject": subject, "account": account, "message": told, "advice": advice, "url": dashboard_url}
    html = HTML.substitute({name: escape(text) for name, text in values.items()})
    message.add_alternative(html, subtype="html")
    return Mail(message, html)


def one_line(text: str) -> str:
    """An account or a user may be called anything; line breaks and other control characters would write a mail of their own."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


@dataclass(frozen=True)
class Mailer:
    """Makes each alert's mail once. `addresses`: the id of an account → the address of its admin, "*" that of all others."""

    folder: Path
    addresses: Mapping[str, str]
    sender: str
    dashboard_url: str
    smtp: tuple[str, int] | None

    def take(self, alert: Mapping[str, Any]) -> Path | None:
        """The .eml of the mail; None if it was made before, or of no known kind. Raises OSError and SMTPException."""
        if not UUID.fullmatch(alert["alert_id"]) or alert["kind"] not in SUBJECTS:
            logger.warning("an alert is dropped: its id is no UUID, or its kind is not known here")
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        eml = self.folder / f"{alert['alert_id']}.eml"
        if eml.exists():
            logger.info("%s has its mail already: dropped", eml.stem)
            return None
        address = self.addresses.get(alert["account_id"], self.addresses.get("*"))
        mail = rendered(alert, sender=self.sender, recipient=address or NOBODY, dashboard_url=self.dashboard_url)
        if self.smtp is not None and address is not None:
            with smtplib.SMTP(*self.smtp, timeout=30) as server:
                server.send_message(mail.message)
        elif self.smtp is not None:
            logger.warning("%s is not sent: nobody knows the address of its account", eml.stem)
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
    parser.add_argument("--group", default="alert-mails", help="consumer group")
    parser.add_argument("--folder", type=Path, default=Path("mails"), help="where .eml and .html files go")
    parser.add_argument("--once", action="store_true", help="read to the end of the topic, and end")
    parser.add_argument("--sender", default="Example Telecom Billing <billing@example.com>", help="From")
    parser.add_argument("--addresses", type=Path, help='JSON file, {"account id": "address"}; "*": of all others')
    parser.add_argument("--dashboard-url", default="http://127.0.0.1:18080/dashboard/", help="where the mail leads")
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
        sys.exit(f"alert_mails: schema registry {options.registry['url'].rpartition('@')[2]}: {error}")
    except KafkaException as error:
        sys.exit(f"alert_mails: topic {TOPIC}, group {options.group}: {error.args[0].str()}")
    except (OSError, smtplib.SMTPException) as error:
        sys.exit(f"alert_mails: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
