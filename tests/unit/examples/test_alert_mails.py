"""The example of a service that mails alerts: what its mails say, and that each is made once."""

import email
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from examples.alert_mails import NOBODY, SUBJECTS, Mailer, rendered
from streams.alerts.judging.alerts import AlertKind

HOSTILE = "<script>alert(1)</script>\"'&amp;\r\nBcc: all@example.com\r\n\r\n$url \u202e 📞"


def alert(**fields: Any) -> dict[str, Any]:
    return {
        "alert_id": "758e40b4-e9b3-556c-ab1b-c2b9b506c0c4", "account_id": "acme", "kind": "unusual_spending",
        "subject": "user:anna", "message": "User anna has spent 30 EUR.", "raised_at": datetime(2026, 10, 26, 8, tzinfo=UTC),
    } | fields  # fmt: skip


def mailer(folder: Path) -> Mailer:
    return Mailer(
        folder, {"acme": "ada@example.com"}, "Billing <billing@example.com>", "https://example.com/billing", None
    )


def parts(told: dict[str, Any]) -> tuple[EmailMessage, str, str]:
    mail = rendered(
        told, sender="b@example.com", recipient="a@example.com", dashboard_url="https://example.com/?a=1&b=2"
    )
    message = email.message_from_bytes(mail.message.as_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    return message, text.get_content(), html.get_content()


@pytest.mark.parametrize("kind", AlertKind)
def test_each_kind_has_its_mail(kind: AlertKind) -> None:
    message, text, html = parts(alert(kind=kind.value))
    assert message["Subject"] == SUBJECTS[kind]
    assert message["Message-ID"] == "<758e40b4-e9b3-556c-ab1b-c2b9b506c0c4@credit-alerts.example.com>"
    for body in (text, html):
        assert "Account acme: User anna has spent 30 EUR." in body


@pytest.mark.parametrize("field", ["account_id", "message"])
def test_hostile_text_stays_text(field: str) -> None:
    message, text, html = parts(alert(**{field: HOSTILE}))
    assert message["Bcc"] is None
    assert "<script" not in html
    assert len(text.splitlines()) == len(parts(alert())[1].splitlines())


def test_an_alert_that_comes_twice_has_one_mail(tmp_path: Path) -> None:
    first = mailer(tmp_path).take(alert())
    assert first == tmp_path / "758e40b4-e9b3-556c-ab1b-c2b9b506c0c4.eml"
    assert mailer(tmp_path).take(alert()) is None
    assert sorted(each.suffix for each in tmp_path.iterdir()) == [".eml", ".html"]


def test_nobody_gets_what_has_no_address_and_a_strange_id_names_no_file(tmp_path: Path) -> None:
    eml = mailer(tmp_path).take(alert(account_id="other"))
    assert eml is not None
    assert NOBODY in eml.read_text()
    everybody = replace(mailer(tmp_path / "all"), addresses={"*": "all@example.com"}).take(alert(account_id="other"))
    assert everybody is not None
    assert "To: all@example.com" in everybody.read_text()
    assert mailer(tmp_path).take(alert(alert_id="../../etc/passwd")) is None
    assert mailer(tmp_path).take(alert(alert_id="758e40b4-e9b3-556c-ab1b-c2b9b506c0c5", kind="new")) is None
