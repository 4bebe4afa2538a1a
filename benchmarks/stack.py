"""The servers of a benchmark: the embedded ones; in the place of the embedded broker Apache Kafka, one broker or three."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from credit_movements.embedded.ports import free_port
from credit_movements.settings import variable
from credit_movements.stack.servers import Servers, servers
from tests.kafka.apache_kafka import ApacheKafka, fetched_jars
from tests.kafka.secured import ADMIN, secured_kafka

APACHE, EMBEDDED = "apache", "embedded"
_BROKERS = 3


@contextmanager
def stack(folder: Path, kafka: str) -> Iterator[Servers]:
    """On free ports, for the length of a `with` block. `kafka`: APACHE or EMBEDDED; its process is called `kafka`.

    Raises NoJarsError where there is no JVM or Maven.
    """
    with servers(folder) as embedded:
        if kafka == EMBEDDED:
            yield Servers(embedded.environment, {**embedded.process_ids, "kafka": embedded.process_ids["broker"]})
            return
        broker = ApacheKafka(folder / "apache-kafka", fetched_jars(), free_port(), free_port())
        broker.format()
        with broker.running(folder / "logs") as child:
            environment = {**embedded.environment, variable("kafka_bootstrap_servers"): broker.bootstrap_servers}
            yield Servers(environment, {**embedded.process_ids, "kafka": child.process_id})


@contextmanager
def three_brokers(folder: Path) -> Iterator[Servers]:
    """With TLS, passwords and three copies of each record; all workers are one user, who may do everything. The brokers'
    processes are called `kafka-1` to `kafka-3`. Raises NoJarsError."""
    with servers(folder) as embedded, secured_kafka(folder / "kafka", folder / "logs", _BROKERS) as kafka:
        own = {variable(field): str(value) for field, value in kafka.settings(ADMIN).items()}
        copies = {variable("topic_replication_factor"): str(_BROKERS)}
        processes = {f"kafka-{id_}": process for id_, process in kafka.process_ids.items()}
        yield Servers({**embedded.environment, **own, **copies}, {**embedded.process_ids, **processes})
