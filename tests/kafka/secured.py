"""Apache Kafka as it stands in production: brokers that copy each other's records, TLS, passwords, and ACLs.

Listeners: SASL_SSL with SCRAM-SHA-512 for all clients and for the brokers among themselves; MUTUAL, which takes a client's
certificate for its name; CONTROLLER with certificates both ways. The users are made when the folders are formatted.
"""

import hashlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from credit_movements.embedded.ports import free_port
from credit_movements.supervision.processes import Child, Service
from tests.jars import one_at_a_time
from tests.kafka.apache_kafka import (
    FOR_TESTS,
    Properties,
    fetched_jars,
    format_folder,
    java,
    random_id,
    write_properties,
)
from tests.kafka.certificates import Authority

ADMIN, STRANGER = "admin", "stranger"
# The admin may do everything, the stranger nothing; the others what the ACLs say.
USERS = (
    ADMIN, "setup", "rater", "sink", "watch", "exporter", "commands", "publisher", "dashboard", "mailer", STRANGER,
)  # fmt: skip
MECHANISM = "SCRAM-SHA-512"
_BROKER = "broker"
_HEAP_MIB = 256
_READY_SECONDS = 90.0
_ANSWER_SECONDS = 2.0
# Until all have answered, each attempt would be a line that looks like a fault.
_silent = logging.getLogger(f"{__name__}.probe")
_silent.disabled = True


def password_of(user: str) -> str:
    return f"password-of-{user}"


@dataclass(frozen=True)
class Node:
    """One broker, which is a controller too."""

    id: int
    folder: Path
    port: int
    mutual_port: int
    controller_port: int

    @property
    def properties_file(self) -> Path:
        return self.folder / "server.properties"

    @property
    def data(self) -> Path:
        return self.folder / "data"


class SecuredKafka:
    """`count` brokers, one or three. Each can be killed and started again: its records are on disk."""

    def __init__(self, folder: Path, log_dir: Path, count: int, session_timeout_ms: int = 9000) -> None:
        """Formats the folders, and starts nothing. `session_timeout_ms`: after which a silent broker is given up, Kafka's
        `broker.session.timeout.ms`. Raises NoJarsError."""
        self._jars = fetched_jars()
        self._log_dir = log_dir
        self._session_timeout_ms = session_timeout_ms
        self.authority = Authority(folder / "certificates")
        self._pair_file = self.authority.issue(_BROKER).pair_file
        self.nodes = [
            Node(id_, folder / f"node-{id_}", free_port(), free_port(), free_port()) for id_ in range(1, count + 1)
        ]
        self._running: dict[int, Child] = {}
        for node in self.nodes:
            write_properties(node.properties_file, self._properties(node))
        self._format()

    @property
    def ca_file(self) -> Path:
        return self.authority.ca_file

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def mutual_servers(self) -> str:
        """Where a client is known by its certificate: its common name is the user."""
        return ",".join(f"127.0.0.1:{node.mutual_port}" for node in self.nodes)

    @property
    def process_ids(self) -> dict[int, int]:
        """Of the brokers that run."""
        return {id_: child.process_id for id_, child in self._running.items()}

    def client(self, user: str, **more: Any) -> dict[str, Any]:
        """librdkafka's properties for a user."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.ca_file),
            "sasl.mechanism": MECHANISM,
            "sasl.username": user,
            "sasl.password": password_of(user),
            **more,
        }

    def settings(self, user: str) -> dict[str, Any]:
        """Our settings for a user: fields of Settings."""
        return {
            "kafka_bootstrap_servers": self.bootstrap_servers,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": MECHANISM,
            "kafka_sasl_username": user,
            "kafka_sasl_password": password_of(user),
            "kafka_ssl_ca_file": self.ca_file,
        }

    def admin(self) -> AdminClient:
        return AdminClient(self.client(ADMIN), logger=_silent)

    def start(self, *ids: int) -> None:
        """Start those brokers, or all, and wait until they answer."""
        started = {
            node.id: Child(self._service(node), self._log_dir) for node in self.nodes if not ids or node.id in ids
        }
        self._running |= started
        for child in started.values():
            child.wait_until_ready()

    def kill(self, id_: int) -> None:
        """SIGKILL."""
        child = self._running.pop(id_)
        child.wait_or_kill(0.0)
        assert child.how_it_ended() == "signal SIGKILL", child.how_it_ended()

    def close(self) -> None:
        for id_ in list(self._running):
            self._running.pop(id_).wait_or_kill(0.0)

    def in_sync(self, topics: Sequence[str] = ()) -> bool:
        """Whether all brokers have all records of these topics, or of all."""
        wanted = len(self.nodes)
        described = self.admin().list_topics(timeout=10).topics
        found = [partition for name, topic in described.items() if not topics or name in topics
                 for partition in topic.partitions.values()]  # fmt: skip
        return all(len(partition.isrs) == wanted for partition in found)

    def _service(self, node: Node) -> Service:
        return Service(
            name=f"apache-kafka-{node.id}",
            command=java(self._jars, _HEAP_MIB, "kafka.Kafka", str(node.properties_file)),
            ready=lambda: self._answers(node),
            stop_seconds=0.0,
            ready_seconds=_READY_SECONDS,
        )

    def _answers(self, node: Node) -> bool:
        """Whether it serves, and knows the others."""
        alone = {"bootstrap.servers": f"127.0.0.1:{node.port}"}
        try:
            client = AdminClient(self.client(ADMIN, **alone), logger=_silent)
            return len(client.list_topics(timeout=_ANSWER_SECONDS).brokers) >= len(self._running)
        except KafkaException:
            return False

    def _format(self) -> None:
        """A JVM makes the first folder of all with these users; the others differ in two lines."""
        options = [f"--add-scram={MECHANISM}=[name={user},password={password_of(user)}]" for user in USERS]
        digest = hashlib.sha256(" ".join(options).encode()).hexdigest()[:12]
        formatted = self._jars.with_name(f"formatted-secured-{digest}-{self._jars.name}")
        with one_at_a_time():
            if not formatted.is_dir():
                first = self.nodes[0]
                format_folder(self._jars, first.properties_file, random_id(), *options)
                # Its folder may be on another device.
                new = formatted.with_suffix(".new")
                shutil.rmtree(new, ignore_errors=True)
                shutil.move(first.data, new)
                new.rename(formatted)
        for node in self.nodes:
            shutil.copytree(formatted, node.data)
            meta = node.data / "meta.properties"
            own = {"node.id": node.id, "directory.id": random_id()}
            lines = [line for line in meta.read_text().splitlines() if line.partition("=")[0] not in own]
            meta.write_text("\n".join([*lines, *(f"{name}={value}" for name, value in own.items())]) + "\n")

    def _properties(self, node: Node) -> Properties:
        copies = len(self.nodes)
        in_sync = max(1, copies - 1)
        listeners = {"SASL_SSL": node.port, "MUTUAL": node.mutual_port}
        addresses = [f"{name}://127.0.0.1:{port}" for name, port in listeners.items()]
        return {
            **FOR_TESTS,
            "process.roles": "broker,controller",
            "node.id": node.id,
            "controller.quorum.voters": ",".join(f"{each.id}@127.0.0.1:{each.controller_port}" for each in self.nodes),
            "listeners": ",".join([*addresses, f"CONTROLLER://127.0.0.1:{node.controller_port}"]),
            "advertised.listeners": ",".join(addresses),
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,MUTUAL:SSL,CONTROLLER:SSL",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "SASL_SSL",
            "log.dirs": node.data,
            "broker.session.timeout.ms": self._session_timeout_ms,
            # Three copies, of which two must have a record before it counts as written.
            "default.replication.factor": copies,
            "min.insync.replicas": in_sync,
            "unclean.leader.election.enable": "false",
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
            # Who is who.
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._pair_file,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.ca_file,
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/,DEFAULT",
            "sasl.enabled.mechanisms": MECHANISM,
            "sasl.mechanism.inter.broker.protocol": MECHANISM,
            f"listener.name.sasl_ssl.{MECHANISM.lower()}.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required"
                f' username="{ADMIN}" password="{password_of(ADMIN)}";'
            ),
            # Who may do what.
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": f"User:{ADMIN};User:{_BROKER}",
        }


@contextmanager
def secured_kafka(folder: Path, log_dir: Path, count: int) -> Iterator[SecuredKafka]:
    """New brokers, running, for the length of a block; nothing of them stays. Raises NoJarsError."""
    kafka = SecuredKafka(folder, log_dir, count)
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.close()
        shutil.rmtree(folder, ignore_errors=True)
