"""Turns errors of other packages that mean an outage into an `Outage`, around each call of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException

from kafka_io.access.refusals import told
from kafka_io.batches import OffsetOutOfRangeError
from kafka_io.errors import Outage
from schemas.codec import UnregisteredSchemaError
from schemas.registry import RegistryUnavailableError


class KafkaUnavailableError(Outage):
    """Kafka did not answer. A record that we sent may lie in the log all the same: send the same one again."""


class SchemasUnavailableError(Outage):
    """The schema registry does not answer, or does not have our schema yet."""


@contextmanager
def kafka_outages_named() -> Iterator[None]:
    # An offset out of range counts too: each attempt asks for the offsets anew, so the next one finds those of the new log.
    try:
        yield
    except KafkaException as error:
        raise KafkaUnavailableError(told(error.args[0])) from error
    except OffsetOutOfRangeError as error:
        raise KafkaUnavailableError(str(error)) from error


@contextmanager
def schema_outages_named() -> Iterator[None]:
    try:
        yield
    except (RegistryUnavailableError, UnregisteredSchemaError) as error:
        raise SchemasUnavailableError(str(error)) from error
