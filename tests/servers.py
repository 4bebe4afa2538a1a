"""Fetches what the tests' servers are made of, before the tests begin: `python -m tests.servers`.

A test that needs one that is not there fetches it too, but others then wait for it.
"""

import tempfile
from pathlib import Path

from credit_movements.embedded.ports import free_port
from tests.apicurio import server as apicurio
from tests.azure import server as azure
from tests.jars import NoJarsError
from tests.kafka.apache_kafka import ApacheKafka, fetched_jars
from tests.s3 import server as s3


def format_a_kafka() -> None:
    """The first one that is made is the model of all others (see `ApacheKafka.format`)."""
    with tempfile.TemporaryDirectory() as folder:
        ApacheKafka(Path(folder), fetched_jars(), free_port(), free_port()).format()


def main() -> None:
    for fetch in (format_a_kafka, azure.fetched_program, apicurio.fetched_program, s3.fetched_jars):
        try:
            fetch()
        except NoJarsError as error:
            print(error)


if __name__ == "__main__":
    main()
