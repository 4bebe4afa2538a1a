"""A secret may stand in a file that NAME_FILE names. What is wrong with it is one line, which does not show it."""

from pathlib import Path

import pytest

from credit_movements.settings import SettingsError, load_settings, required, secret_file_variables

DSN = "http://user:a-secret@clickhouse:8123/default"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_newline_at_the_end_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    file = tmp_path / "dsn"
    file.write_bytes(f"{DSN}{end}".encode())
    monkeypatch.setenv("CREDIT_CLICKHOUSE_DSN_FILE", str(file))
    assert required(load_settings(tmp_path), "clickhouse_dsn") == DSN


def test_every_secret_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "CREDIT_KAFKA_SASL_PASSWORD_FILE": "sasl password",
        "CREDIT_KAFKA_SSL_KEY_PASSWORD_FILE": "key password",
        "CREDIT_KAFKA_CONFIG_FILE": '{"security.protocol": "SASL_SSL", "sasl.mechanisms": "PLAIN", "sasl.username": "u",'
        ' "ssl.key.location": "k"}',
        "CREDIT_SCHEMA_REGISTRY_URL_FILE": "https://user:password@registry",
        "CREDIT_CLICKHOUSE_DSN_FILE": DSN,
        "CREDIT_EXPORT_LINK_SECRET_FILE": "l" * 32,
        "CREDIT_EXPORT_LINK_SECRET_PREVIOUS_FILE": "p" * 32,
        "CREDIT_EXPORT_STATUS_TOKEN_FILE": "t" * 32,
    }
    assert sorted(values) == sorted(secret_file_variables())
    for name, text in values.items():
        (tmp_path / name).write_text(text)
        monkeypatch.setenv(name, str(tmp_path / name))
    settings = load_settings(tmp_path)
    assert settings.kafka_properties()["sasl.password"] == "sasl password"
    assert settings.kafka_properties()["ssl.key.password"] == "key password"
    for field in ("schema_registry_url", "export_link_secret", "export_link_secret_previous", "export_status_token"):
        assert required(settings, field) == values[f"CREDIT_{field.upper()}_FILE"]
    assert not [text for text in values.values() if text in repr(settings)]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "No such file or directory"),
        (b"", "is empty; it must hold the value of CREDIT_CLICKHOUSE_DSN"),
        (b"\n", "is empty; it must hold the value of CREDIT_CLICKHOUSE_DSN"),
        (b"a-secret\xff", "not UTF-8 text"),
    ],
)
def test_a_file_that_will_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, line: str
) -> None:
    file = tmp_path / "dsn"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("CREDIT_CLICKHOUSE_DSN_FILE", str(file))
    with pytest.raises(SettingsError) as refused:
        load_settings(tmp_path)
    assert str(refused.value) == f"CREDIT_CLICKHOUSE_DSN_FILE: {file}: {line}"


def test_a_secret_and_its_file_are_not_both_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_CLICKHOUSE_DSN", DSN)
    monkeypatch.setenv("CREDIT_CLICKHOUSE_DSN_FILE", str(tmp_path / "dsn"))
    with pytest.raises(SettingsError) as refused:
        load_settings(tmp_path)
    assert (
        str(refused.value) == "CREDIT_CLICKHOUSE_DSN_FILE: CREDIT_CLICKHOUSE_DSN is set too; leave one of the two out"
    )
    # As compose files do it: a variable that is set to nothing is left out.
    monkeypatch.setenv("CREDIT_CLICKHOUSE_DSN_FILE", "")
    assert required(load_settings(tmp_path), "clickhouse_dsn") == DSN
