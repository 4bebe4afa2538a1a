"""Bytewax: a dataflow with one step. It keeps no positions, since nothing was asked of it; so a crash begins anew."""

from bytewax import operators
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kafka
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from benchmarks.peers.job import SOURCE, Job

_BATCH = 1_000
_PRODUCER = {"linger.ms": "5", "partitioner": "murmur2_random"}


def main() -> None:
    job = Job()

    def rated(message: KafkaSourceMessage) -> KafkaSinkMessage:
        value = job.rated(message.value, message.partition, message.offset)
        return KafkaSinkMessage(message.key, value)

    flow = Dataflow("rating")
    events = kafka.input("events", flow, brokers=[job.bootstrap], topics=[SOURCE], batch_size=_BATCH)
    movements = operators.map("rate", events.oks, rated)
    kafka.output("movements", movements, brokers=[job.bootstrap], topic=job.target, add_config=_PRODUCER)
    cli_main(flow)


if __name__ == "__main__":
    main()
