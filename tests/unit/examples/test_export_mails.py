"""The example of an e-mail service: what its two mails say, and what no account can make them say."""

import email
import html
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from httpx2 import HTTPError

from examples.export_mails import NOBODY, Mailer, main, one_line, rendered, told_size
from exporter.notify.notifications import Failure

ROOT = Path(__file__).parents[3]
LINK = "https://billing.example.com/downloads/" + "WyJmaWxlcy84" * 30 + ".sig_-nature/credit-movements.csv?a=1&b=2"
HOSTILE = "<script>alert(1)</script>\"'&amp;\r\nBcc: all@example.com\r\n\r\n$url ${url} $$ \u202eüń 📞"
SENDER, DASHBOARD = "Billing <billing@example.com>", "https://example.com/billing"


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc]


def completed(**fields: Any) -> dict[str, Any]:
    return {
        "notification_id": "3f0c9a52-7d1e-4b8a-9c55-000000000007", "account_id": "acme", "requested_by": "user-1",
        "status": "completed", "period_from": at(2026, 9, 25, 22), "period_to": at(2026, 10, 26, 8, 13),
        "time_zone": "Europe/Berlin", "file_name": "credit-movements_2026-09-26_2026-10-26.csv", "download_url": LINK,
        "expires_at": at(2026, 11, 2, 8, 13), "row_count": 4211, "size_bytes": 402_118, "error_message": None,
        "notified_at": at(2026, 10, 26, 8, 13, 1),
    } | fields  # fmt: skip


def failed(**fields: Any) -> dict[str, Any]:
    nothing = ("period_from", "period_to", "file_name", "download_url", "expires_at", "row_count", "size_bytes")
    message = Failure.UNKNOWN_TIME_ZONE.message
    return (
        completed(status="failed", time_zone="Mars/Olympus", error_message=message, **dict.fromkeys(nothing)) | fields
    )


def mailer(folder: Path, smtp: tuple[str, int] | None = None) -> Mailer:
    return Mailer(folder, {"user-1": "ada@example.com"}, SENDER, DASHBOARD, smtp)


def parts(notification: dict[str, Any]) -> tuple[EmailMessage, str, str]:
    """The mail as a mail program reads it from its bytes: message, text, HTML."""
    mail = rendered(notification, sender=SENDER, recipient="ada@example.com", dashboard_url=DASHBOARD)
    message = email.message_from_bytes(mail.message.as_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    assert message.get_content_type() == "multipart/alternative"
    return message, *(message.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]


def targets(page: str) -> list[str]:
    return [html.unescape(each) for each in re.findall(r'href="([^"]*)"', page)]


def test_a_success_has_the_button_the_period_in_the_accounts_zone_the_size_and_the_expiry() -> None:
    message, text, page = parts(completed())
    assert message["Subject"] == "Your credit movements are ready: 26 September 2026 to 26 October 2026"
    assert targets(page) == [LINK]
    assert LINK in text.splitlines()
    for told in (
        "26 September 2026 to 26 October 2026", "Europe/Berlin", "4,211", "402.1 kB", "2 November 2026, 09:13 (CET)",
    ):  # fmt: skip
        assert told in text
        assert told in page


def test_a_failure_says_what_happened_and_how_to_try_again() -> None:
    message, text, page = parts(failed())
    assert message["Subject"] == "Your export did not work: please try again"
    assert targets(page) == [DASHBOARD]
    for shown in (text, page):
        assert "The time zone of this export is not known." in shown
    assert DASHBOARD in text


WAIT = "Please wait a few minutes and try again from the Dashboard"
OTHERWISE = "Please try again from the Dashboard, with "
# Waiting does not make these work.
TO_BE_ASKED_OTHERWISE = {
    failure.message
    for failure in Failure
    if failure.code in {"unknown_time_zone", "invalid_period", "unknown_option", "too_large_for_format"}
}


@pytest.mark.parametrize("message", [*(failure.message for failure in Failure), None])
def test_a_failure_says_to_wait_where_that_helps_and_names_the_period_where_there_is_one(message: str | None) -> None:
    says, says_not = (OTHERWISE, WAIT) if message in TO_BE_ASKED_OTHERWISE else (WAIT, OTHERWISE)
    period = {"period_from": at(2026, 9, 25, 22), "period_to": at(2026, 10, 26, 8, 13), "time_zone": "Europe/Berlin"}
    _, text, page = parts(failed(error_message=message, **period))
    for shown in (text, page):
        assert says in shown
        assert says_not not in shown
        assert "from 26 September 2026 to 26 October 2026 (Europe/Berlin)" in shown
    assert " from " not in re.split("Please (?:wait|try)", parts(failed())[1])[0]


def test_the_button_is_called_download_export() -> None:
    _, text, page = parts(completed())
    assert re.findall(r"<a [^>]*>([^<]*)</a>", page) == ["Download Export"]
    assert f"Download Export:\n{LINK}" in text.replace("\r\n", "\n")


@pytest.mark.parametrize("field", ["account_id", "file_name", "error_message"])
def test_hostile_text_stays_text(field: str) -> None:
    notification = failed(**{field: HOSTILE}) if field == "error_message" else completed(**{field: HOSTILE})
    message, text, page = parts(notification)
    assert "<script" not in page
    assert html.escape(one_line(HOSTILE)) in page
    assert message["Bcc"] is None
    assert not any(line.startswith("Bcc:") for line in text.splitlines())
    assert len(targets(page)) == 1
    assert "\u202e" not in text + page


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "https://a b", 'https://x"onclick="y z', None]
)
def test_no_button_leads_anywhere_but_to_the_web(tmp_path: Path, link: str | None) -> None:
    assert mailer(tmp_path).take(completed(download_url=link)) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("notification_id", ["../../x", "", "x" * 36, "3f0c9a52-7d1e-4b8a-9c55-000000000007\n"])
def test_an_id_that_is_no_uuid_names_no_file(tmp_path: Path, notification_id: str) -> None:
    assert mailer(tmp_path / "mails").take(completed(notification_id=notification_id)) is None
    assert list(tmp_path.rglob("*.*")) == []


def test_a_notification_that_was_seen_is_dropped_also_by_the_next_process(tmp_path: Path) -> None:
    eml = mailer(tmp_path).take(completed())
    assert eml is not None
    first = eml.read_bytes()
    assert mailer(tmp_path).take(completed(row_count=1)) is None
    assert eml.read_bytes() == first
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".eml", ".html"]
    assert targets(eml.with_suffix(".html").read_text()) == [LINK]


def test_an_unknown_user_gets_no_mail_but_a_file(tmp_path: Path) -> None:
    eml = mailer(tmp_path).take(completed(requested_by=None))
    assert eml is not None
    assert email.message_from_bytes(eml.read_bytes())["To"] == NOBODY


class Receiver(socketserver.StreamRequestHandler):
    """As much of SMTP as it takes to get one mail."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            command = line[:4].upper()
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.server.received.append(b"".join(lines))  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")


@pytest.fixture
def smtp() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Receiver) as server:
        server.received = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def test_with_smtp_a_mail_goes_out_once_to_the_user_that_is_known(tmp_path: Path, smtp: Any) -> None:
    sending = mailer(tmp_path, smtp.server_address)
    other = completed(requested_by="a stranger", notification_id="3f0c9a52-7d1e-4b8a-9c55-000000000008")
    for notification in (completed(), completed(), other):
        sending.take(notification)
    [received] = smtp.received
    message = email.message_from_bytes(received, policy=policy.default)
    assert message["To"] == "ada@example.com"
    assert LINK in message.get_body(("plain",)).get_content()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("size", "told"), [(91, "91 bytes"), (1000, "1.0 kB"), (999_999, "999.9 kB"), (7 * 10**9, "7.0 GB")]
)
def test_sizes_are_told_as_people_tell_them(size: int, told: str) -> None:
    assert told_size(size) == told


def test_it_runs_by_itself() -> None:
    command = (sys.executable, "examples/export_mails.py", "--help")
    assert "--smtp" in subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout


def test_a_registry_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise HTTPError("connection refused")

    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("examples.export_mails.run", refused)
    with pytest.raises(SystemExit) as ended:
        main(["--schema-registry", "https://user:a%40secret@127.0.0.1:1"])
    # Without the user and the password.
    assert ended.value.code == "export_mails: schema registry 127.0.0.1:1: connection refused"


def test_an_error_names_the_registry_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*_: object) -> None:
        raise HTTPError("connection refused")

    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("examples.export_mails.run", refused)
    file = tmp_path / "registry.json"
    file.write_text('{"url": "https://user:secret@registry:8081"}')
    with pytest.raises(SystemExit) as ended:
        main(["--registry-config", str(file)])
    assert ended.value.code == "export_mails: schema registry registry:8081: connection refused"


def test_what_kafka_refuses_is_one_line_that_names_topic_and_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "Group authorization failed."))

    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("examples.export_mails.run", refused)
    with pytest.raises(SystemExit) as ended:
        main(["--group", "acme.mails"])
    assert ended.value.code == (
        "export_mails: topic export-notifications, group acme.mails: Group authorization failed."
    )
