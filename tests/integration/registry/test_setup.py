"""`setup` on Apicurio's registry: what it registers, what the registry refuses, and how it gets in."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, ServerConfig

from credit_movements import clients
from credit_movements.settings import Settings
from credit_movements.setup import provision
from credit_movements.setup.provision import SetupError, register_subjects
from schemas.avro_schemas import schema_text, schema_versions
from schemas.codec import RecordCodec
from schemas.registry import RegistryUnavailableError, SubjectSchemas
from schemas.topics import RECORD_TOPICS, USAGE_EVENTS, Topic
from tests.apicurio.front import PASSWORD, USER, front
from tests.integration.records import event
from tests.kafka.certificates import Authority

Ids = dict[str, dict[int, str]]


@pytest.fixture
def settings(apicurio: str) -> Settings:
    return Settings(schema_registry_url=apicurio)


@pytest.fixture
def evolving(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Topic]:
    """A topic of usage events with a subject of its own, for `setup` the only topic there is."""
    topic = replace(USAGE_EVENTS, name="evolving-events")
    monkeypatch.setattr(provision, "RECORD_TOPICS", (topic,))
    yield topic
    forget(settings, topic.subject)


def forget(settings: Settings, subject: str) -> None:
    for permanent in (False, True):
        clients.registry(settings).delete_subject(subject, permanent=permanent)


def everything(settings: Settings) -> Ids:
    schemas = SubjectSchemas(clients.registry(settings))
    return {topic.subject: schemas.versions(topic.subject) for topic in RECORD_TOPICS}


def with_field(field: dict[str, object]) -> str:
    schema = json.loads(schema_text("UsageEvent"))
    return json.dumps({**schema, "fields": [*schema["fields"], field]})


VERSIONS = schema_versions("UsageEvent")
NULLABLE = with_field({"name": "region", "type": ["null", "string"], "default": None})
WITHOUT_DEFAULT = with_field({"name": "region", "type": "string"})


def test_a_second_setup_changes_nothing_and_every_id_is_found_again(settings: Settings) -> None:
    before = everything(settings)
    register_subjects(settings)
    assert everything(settings) == before
    for topic in RECORD_TOPICS:
        own_id = RecordCodec(topic, SubjectSchemas(clients.registry(settings))).own_id()
        assert own_id in before[topic.subject]


def test_a_compatible_version_is_registered_and_old_records_are_still_read(
    settings: Settings, evolving: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_subjects(settings)
    schemas = SubjectSchemas(clients.registry(settings))
    codec = RecordCodec(evolving, schemas)
    old = codec.encode_one(event(1))
    monkeypatch.setattr(provision, "schema_versions", lambda _: (*VERSIONS, NULLABLE))
    register_subjects(settings)
    registered = [json.loads(text) for text in schemas.versions(evolving.subject).values()]
    assert registered == [json.loads(text) for text in (*VERSIONS, NULLABLE)]
    assert RecordCodec(evolving, schemas).decode_one(old).items() >= event(1).items()


@pytest.mark.parametrize("left", [None, ConfigCompatibilityLevel.NONE])
def test_a_setup_that_ended_before_it_was_done_is_finished_by_the_next_one(
    settings: Settings, evolving: Topic, left: ConfigCompatibilityLevel | None
) -> None:
    registry = clients.registry(settings)
    registry.register_schema(evolving.subject, Schema(schema_text("UsageEvent"), "AVRO"))
    if left is not None:
        registry.set_config(evolving.subject, ServerConfig(compatibility=left))
    register_subjects(settings)
    assert registry.get_config(evolving.subject).compatibility_level is ConfigCompatibilityLevel.FULL


def test_an_incompatible_version_is_refused_in_one_line(
    settings: Settings, evolving: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_subjects(settings)
    monkeypatch.setattr(provision, "schema_versions", lambda _: (*VERSIONS, WITHOUT_DEFAULT))
    with pytest.raises(SetupError) as refused:
        register_subjects(settings)
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"version {len(VERSIONS) + 1} of subject evolving-events-value cannot be registered: ")
    assert "region" in line
    assert len(SubjectSchemas(clients.registry(settings)).versions(evolving.subject)) == len(VERSIONS)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certificates")


def behind_front(port: int, password: str, ca_file: Path | None) -> Settings:
    url = f"https://{USER}:{quote(password, safe='')}@localhost:{port}/apis/ccompat/v7"
    return Settings(schema_registry_url=url, schema_registry_ca_file=ca_file)


def test_a_registry_with_tls_and_a_password_is_used_as_any_other(apicurio: str, authority: Authority) -> None:
    with front(int(urlsplit(apicurio).port or 0), authority.issue("registry")) as port:
        settings = behind_front(port, PASSWORD, authority.ca_file)
        register_subjects(settings)
        assert everything(settings) == everything(Settings(schema_registry_url=apicurio))
        assert clients.behind_registry(settings, lambda: 0) is not None


def test_a_wrong_password_and_an_unknown_authority_are_one_line_without_the_password(
    apicurio: str, authority: Authority
) -> None:
    with front(int(urlsplit(apicurio).port or 0), authority.issue("registry")) as port:
        for password, ca_file, why in (
            ("a wrong password", authority.ca_file, "401"),
            (PASSWORD, None, "certificate"),
        ):
            schemas = SubjectSchemas(clients.registry(behind_front(port, password, ca_file)))
            with pytest.raises(RegistryUnavailableError, match=why) as refused:
                schemas.versions(USAGE_EVENTS.subject)
            (line,) = str(refused.value).splitlines()
            for secret in (password, quote(password, safe="")):
                assert secret not in line


def test_a_schema_that_a_publisher_laid_out_in_another_way_is_read_too(settings: Settings) -> None:
    """Apicurio compares texts: what a publisher registered by itself is a version of its own. It is read as well."""
    registry = clients.registry(settings)
    laid_out = json.dumps(json.loads(schema_text("UsageEvent")), indent=7)
    subject = "laid-out-value"
    ids = {registry.register_schema(subject, Schema(text, "AVRO")) for text in (schema_text("UsageEvent"), laid_out)}
    try:
        topic = replace(USAGE_EVENTS, name="laid-out")
        codec = RecordCodec(topic, SubjectSchemas(registry))
        value = codec.encode_one(event(1))
        for schema_id in ids:
            decoded = codec.decode_one(b"\0" + schema_id.to_bytes(4, "big") + value[5:])
            assert decoded.items() >= event(1).items()
    finally:
        forget(settings, subject)
