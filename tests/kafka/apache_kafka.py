"""Apache Kafka's own broker, without Docker: its jars from Maven Central, one KRaft node, a folder and ports of its own.

The jars are fetched once, into `.cache/kafka/<version>` of the project. A start takes some 3 s until the broker answers.
"""

import base64
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from credit_movements.embedded.broker import broker_answers
from credit_movements.embedded.ports import free_port
from credit_movements.supervision.processes import Child, Service, running
from tests.jars import CACHE, JVM, fetched, one_at_a_time

Properties = dict[str, str | int | Path]

_POM = Path(__file__).with_name("pom.xml")
_JVM = (*JVM, "-Dorg.slf4j.simpleLogger.showDateTime=true")
# The tests write little.
_HEAP_MIB = 512
_FORMAT_SECONDS = 60
# Of every broker of the tests: they do not wait for what people can wait for, and few partitions are made soon.
FOR_TESTS: Properties = {
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.num.partitions": 1,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 200,
    "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
    "log.index.size.max.bytes": 1024 * 1024,
    "log.segment.delete.delay.ms": 1000,
    # It lies idle for most of the time, and then shall cost nothing: no threads for many clients, and no records that say
    # twice a second that there is nothing to say.
    "num.network.threads": 1,
    "num.io.threads": 2,
    "group.coordinator.threads": 1,
    "background.threads": 1,
    "metadata.max.idle.interval.ms": 0,
}


def kafka_version() -> str:
    """The version that pom.xml names."""
    (version,) = re.findall(r"<artifactId>kafka_2.13</artifactId>\s*<version>(.+)</version>", _POM.read_text())
    return str(version)


def fetched_jars() -> Path:
    """The folder with the broker's jars, fetched if they are not there yet. Raises NoJarsError."""
    return fetched(_POM, CACHE / "kafka" / kafka_version())


def java(jars: Path, heap_mib: int, main: str, *arguments: str) -> tuple[str, ...]:
    """The command of a program of Apache Kafka."""
    archive = _class_archive(jars)
    archived = (f"-XX:SharedArchiveFile={archive}",) if archive.exists() else ()
    return ("java", *_JVM, *archived, f"-Xmx{heap_mib}m", "-cp", f"{jars}/*", main, *arguments)


def _class_archive(jars: Path) -> Path:
    """The broker's classes as the JVM has them in memory (class data sharing, JEP 350): it starts with half the work."""
    return jars.with_name(f"classes-{jars.name}.jsa")


def write_properties(file: Path, properties: Properties) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def format_folder(jars: Path, properties_file: Path, cluster_id: str, *options: str) -> None:
    """Make the folder that the properties name a KRaft node's."""
    options = (f"--cluster-id={cluster_id}", f"--config={properties_file}", *options)
    command = java(jars, 256, "kafka.tools.StorageTool", "format", *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_SECONDS)
    assert done.returncode == 0, done.stderr


def random_id() -> str:
    """As Kafka makes the ids of clusters and folders."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


@dataclass(frozen=True)
class ApacheKafka:
    """A broker that is formatted and can be started, killed and started again: its topics are on disk, in `folder`."""

    folder: Path
    jars: Path
    port: int
    controller_port: int
    # Where clients are told to go: a proxy, say, in front of it.
    advertised_port: int | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _properties_file(self) -> Path:
        return self.folder / "server.properties"

    def format(self) -> None:
        """Make the folder a KRaft node's. All nodes begin alike, so a JVM does that once, and then it is copied."""
        write_properties(self._properties_file, self._properties())
        formatted = self.jars.with_name(f"formatted-{self.jars.name}")
        with one_at_a_time():
            if not formatted.is_dir():
                format_folder(self.jars, self._properties_file, random_id())
                new = formatted.with_suffix(".new")
                shutil.rmtree(new, ignore_errors=True)
                shutil.copytree(self._data, new)
                new.rename(formatted)
            if not _class_archive(self.jars).exists():
                self._archive_classes(formatted)
        shutil.copytree(formatted, self._data, dirs_exist_ok=True)

    def _archive_classes(self, formatted: Path) -> None:
        """Start the broker once, and have its JVM write down at the end which classes it has loaded."""
        shutil.copytree(formatted, self._data, dirs_exist_ok=True)
        archive = _class_archive(self.jars)
        new = archive.with_suffix(".new")
        service = self.service()
        java, *options = service.command
        command = (java, f"-XX:ArchiveClassesAtExit={new}", *options)
        with running(replace(service, command=command, stop_seconds=_FORMAT_SECONDS), self.folder):
            pass
        new.rename(archive)
        shutil.rmtree(self._data)

    @contextmanager
    def running(self, log_dir: Path) -> Iterator[Child]:
        """The broker, for the length of a block; it ends with SIGKILL, and with this process."""
        with running(self.service(), log_dir) as child:
            yield child

    def service(self) -> Service:
        return Service(
            name="apache-kafka",
            command=java(self.jars, _HEAP_MIB, "kafka.Kafka", str(self._properties_file)),
            ready=lambda: broker_answers(self.bootstrap_servers),
            stop_seconds=0.0,
            ready_seconds=60.0,
        )

    def _properties(self) -> Properties:
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.advertised_port or self.port}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self._data,
            # One broker keeps one copy.
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            **FOR_TESTS,
        }


@contextmanager
def apache_kafka(folder: Path, log_dir: Path) -> Iterator[ApacheKafka]:
    """A new broker, running, for the length of a block; nothing of it stays. Raises NoJarsError."""
    broker = ApacheKafka(folder, fetched_jars(), free_port(), free_port())
    try:
        broker.format()
        with broker.running(log_dir):
            yield broker
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    print(fetched_jars(), file=sys.stderr)
