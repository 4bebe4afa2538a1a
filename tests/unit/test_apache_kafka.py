"""Which Apache Kafka the tests run on, and what is said where it cannot be had."""

import re
from pathlib import Path

import pytest

from tests.jars import NoJarsError
from tests.kafka.apache_kafka import fetched_jars, kafka_version
from tests.kafka.brokers import without_apache_kafka


def test_it_is_the_version_that_docker_compose_has() -> None:
    compose = (Path(__file__).parents[2] / "docker-compose.yml").read_text()
    assert re.findall(r"image: apache/kafka:(\S+)", compose) == [kafka_version()]


def test_without_a_jvm_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoJarsError, match="there is no `java`"):
        fetched_jars()


def test_what_needs_it_is_skipped_on_a_developers_machine_and_fails_on_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "false")
    with pytest.raises(pytest.skip.Exception, match="NOT TESTED ON APACHE KAFKA: no JVM"):
        without_apache_kafka("no JVM")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="NOT TESTED ON APACHE KAFKA: no JVM"):
        without_apache_kafka("no JVM")
