"""What stands before the host of a URL is not shown."""

import pytest

from kafka_io.errors import without_passwords


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot reach http://user:a-secret@host:8123/default: refused", "cannot reach http://host:8123/default: refused"),
        ("https://a-secret@host", "https://host"),
        ("http://user:a@secret@host/x and http://u:p@other", "http://host/x and http://other"),
        ("http://host/mail?to=somebody@example.com", "http://host/mail?to=somebody@example.com"),
        ("sasl_ssl://127.0.0.1:9093/bootstrap: failed", "sasl_ssl://127.0.0.1:9093/bootstrap: failed"),
    ],
)  # fmt: skip
def test_user_and_password_of_a_url_are_left_out(text: str, shown: str) -> None:
    assert without_passwords(text) == shown
