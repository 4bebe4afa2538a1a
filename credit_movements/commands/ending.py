"""How a command ends that could not do its work: a mistake of the user's or an outage is one line, a bug is a traceback."""

from typing import Final

from kafka_io.errors import Outage, UserError

OURS: Final = (UserError, Outage)


def told_in_one_line() -> tuple[type[Exception], ...]:
    """What ends a command with one line. Our own errors say so by their base class. The clients of Kafka and ClickHouse have
    errors of their own, and `schemas` imports nothing of ours. Their modules are heavy, so ask only when something was raised.
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from confluent_kafka import KafkaException

    from schemas.codec import UnregisteredSchemaError
    from schemas.registry import RegistryUnavailableError

    return (*OURS, ClickHouseError, KafkaException, RegistryUnavailableError, UnregisteredSchemaError)


def one_line(error: Exception) -> str:
    """The error in one line; that of a service which failed is followed by the end of the service's log."""
    from confluent_kafka import KafkaException

    from credit_movements.supervision.processes import ServiceFailedError

    if isinstance(error, KafkaException):
        return f"Kafka: {error.args[0].str()}"
    if isinstance(error, ServiceFailedError):
        return str(error)
    return (str(error).splitlines() or [type(error).__name__])[0]
