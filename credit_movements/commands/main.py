"""The command `credit-movements`: each of its commands by name, and how it ends.

A command imports what it needs when it is called. A worker that starts anew after a crash need not wait for the libraries of
the others.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

import typer

from credit_movements.commands.audit import audit
from credit_movements.commands.balance import balance
from credit_movements.commands.dead_letters import dead_letters_app
from credit_movements.commands.exports import delete_export, request_export
from credit_movements.commands.output import fail
from credit_movements.commands.prices import rates_app
from credit_movements.commands.publish import publish_to_topic
from credit_movements.commands.setup import setup
from credit_movements.commands.stack import demo, up
from credit_movements.commands.verify import verify
from credit_movements.commands.workers import export, rate, sink
from credit_movements.logs import set_up_logs
from credit_movements.settings import described_settings
from kafka_io.errors import Outage, UserError

COMMANDS: Final[Mapping[str, Callable[..., None]]] = {
    "rate": rate,
    "sink": sink,
    "export": export,
    "up": up,
    "demo": demo,
    "setup": setup,
    "publish": publish_to_topic,
    "request-export": request_export,
    "balance": balance,
    "audit": audit,
    "verify": verify,
    "delete-export": delete_export,
}


def _settings_help() -> str:
    lines = [f"{name} ({default or 'none'}): {meaning}" for name, default, meaning in described_settings()]
    return "Settings (environment variables, with their defaults):\n\n" + "\n\n".join(lines)


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=_settings_help(),
    help="Rates usage into signed credit movements, stores them, and exports them to the customer who asks.",
)
for name, command in COMMANDS.items():
    app.command(name)(command)
app.add_typer(rates_app, name="rates")
app.add_typer(dead_letters_app, name="dead-letters")


def main() -> NoReturn:
    """Run the command; a mistake of the user's or an outage ends it with one line."""
    set_up_logs("WARNING")
    try:
        app()
    except SystemExit:
        raise
    except _told_in_one_line() as error:
        fail(_one_line(error))
    sys.exit(0)


def _told_in_one_line() -> tuple[type[Exception], ...]:
    """What ends a command with one line. Our own errors say so by their base class. The clients of Kafka and ClickHouse have
    errors of their own, and `schemas` imports nothing of ours. Their modules are heavy, so ask only when something was raised.
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from confluent_kafka import KafkaException

    from schemas.codec import UnregisteredSchemaError
    from schemas.registry import RegistryUnavailableError

    return (UserError, Outage, ClickHouseError, KafkaException, RegistryUnavailableError, UnregisteredSchemaError)


def _one_line(error: Exception) -> str:
    """The error in one line; that of a service which failed is followed by the end of the service's log."""
    from confluent_kafka import KafkaException

    from credit_movements.supervision.processes import ServiceFailedError

    if isinstance(error, KafkaException):
        return f"Kafka: {error.args[0].str()}"
    if isinstance(error, ServiceFailedError):
        return str(error)
    return (str(error).splitlines() or [type(error).__name__])[0]
