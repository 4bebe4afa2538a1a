"""The servers of a benchmark: the embedded ones, or Apache Kafka in the place of the embedded broker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from credit_movements.embedded.ports import free_port
from credit_movements.settings import variable
from credit_movements.stack.servers import Servers, servers
from tests.kafka.apache_kafka import ApacheKafka, fetched_jars

APACHE, EMBEDDED = "apache", "embedded"


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
