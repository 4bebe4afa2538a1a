"""The command `credit-movements`: each of its commands by name, and how it ends.

A command imports what it needs when it is called. A worker that starts anew after a crash need not wait for the libraries of
the others, and `--help` needs none: so it is plain text, and what it says of the settings was written before (`make
reference`).
"""

import atexit
import gc
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn

import typer

from credit_movements.commands.audit import audit
from credit_movements.commands.balance import balance
from credit_movements.commands.dead_letters import dead_letters_app
from credit_movements.commands.explain import explain
from credit_movements.commands.exports import delete_export, request_export
from credit_movements.commands.output import fail
from credit_movements.commands.prices.decks import rates_app
from credit_movements.commands.prices.diff import diff
from credit_movements.commands.publish import publish_to_topic
from credit_movements.commands.setup import erase, rebuild, setup
from credit_movements.commands.stack import demo, up
from credit_movements.commands.verify import verify
from credit_movements.commands.workers import export, rate, sink
from credit_movements.logs import set_up_logs
from kafka_io.errors import Outage, UserError, without_passwords

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
    "explain": explain,
    "audit": audit,
    "verify": verify,
    "delete-export": delete_export,
    "rebuild": rebuild,
    "erase": erase,
}


# A process that works on tables makes few objects, and those that its libraries make while they are loaded live as long as it
# does: Python need not look through them so often. It saves a tenth of the processor time of an exporter's start.
OBJECTS_BEFORE_A_COLLECTION: Final = 50_000

SETTINGS_HELP: Final = Path(__file__).with_name("settings.txt")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},
    epilog=SETTINGS_HELP.read_text(encoding="utf-8"),
    help="Rates usage into signed credit movements, stores them, and exports them to the customer who asks.",
)
for name, command in COMMANDS.items():
    app.command(name)(command)
rates_app.command("diff")(diff)
app.add_typer(rates_app, name="rates")
app.add_typer(dead_letters_app, name="dead-letters")


def main() -> NoReturn:
    """Run the command; a mistake of the user's or an outage ends it with one line."""
    gc.set_threshold(OBJECTS_BEFORE_A_COLLECTION)
    # What is left at the end goes with the process: to look through it took an exporter a quarter of a second.
    atexit.register(gc.freeze)
    set_up_logs("WARNING")
    sys.excepthook = _show_bug
    try:
        app()
    except SystemExit as ended:
        if _was_interrupted(ended):
            # At once: the console of other lines would have to be loaded.
            sys.stderr.write("credit-movements: stopped\n")
        raise
    except _told_in_one_line() as error:
        fail(without_passwords(_one_line(error)))
    sys.exit(0)


def _was_interrupted(ended: SystemExit) -> bool:
    """Whether it was Ctrl-C that ended a command which says nothing of its own to that: Typer then asks to exit."""
    asked = ended.__context__
    return isinstance(asked, typer.Exit) and isinstance(asked.__cause__, KeyboardInterrupt)


def _show_bug(kind: type[BaseException], bug: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(without_passwords("".join(traceback.format_exception(kind, bug, trace))))


def _told_in_one_line() -> tuple[type[Exception], ...]:
    """What ends a command with one line. Our own errors say so by their base class. The clients of Kafka and ClickHouse have
    errors of their own, and `schemas` imports nothing of ours."""
    return (
        UserError,
        Outage,
        *_if_loaded("clickhouse_connect.driver.exceptions", "ClickHouseError"),
        *_if_loaded("confluent_kafka", "KafkaException"),
        *_if_loaded("schemas.registry", "RegistryUnavailableError"),
        *_if_loaded("schemas.codec", "UnregisteredSchemaError"),
    )


def _if_loaded(module: str, error: str) -> tuple[type[Exception], ...]:
    """An error of a module, which is heavy. What was not loaded cannot have been raised."""
    return (getattr(sys.modules[module], error),) if module in sys.modules else ()


def _one_line(error: Exception) -> str:
    """The error in one line; that of a service which failed is followed by the end of the service's log."""
    if isinstance(error, _if_loaded("confluent_kafka", "KafkaException")):
        from kafka_io.access.refusals import told

        said = told(error.args[0])
        return said if said.startswith("Kafka ") else f"Kafka: {said}"
    if isinstance(error, _if_loaded("credit_movements.supervision.processes", "ServiceFailedError")):
        return str(error)
    return (str(error).splitlines() or [type(error).__name__])[0]
