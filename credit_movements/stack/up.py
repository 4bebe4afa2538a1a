"""`credit-movements up`: everything embedded, until a signal."""

import logging
from importlib.resources import as_file, files
from pathlib import Path

from credit_movements.embedded.ports import Ports
from credit_movements.publishing.prices import RefusedPricesError, publish_prices
from credit_movements.settings import Settings, SettingsError, settings_of
from credit_movements.setup.provision import set_up
from credit_movements.stack.servers import stack_environment
from credit_movements.stack.stages import stack_stages
from credit_movements.supervision.occupancy import check_port_is_free, data_folder_claimed
from credit_movements.supervision.running_up import announced
from credit_movements.supervision.supervisor import Supervisor
from schemas.topics import RATES
from streams.pricing.deck.parsing import read_deck

logger = logging.getLogger(__name__)

_DECK = "rates.csv"


def run_up(folder: Path, ports: Ports) -> None:
    """Run the stack until SIGINT or SIGTERM.

    Raises OccupiedError, SettingsError for a bad `rates.csv` in the folder, and ServiceFailedError.
    """
    folder = folder.absolute()
    for option in ("kafka", "registry", "http", "clickhouse"):
        check_port_is_free(getattr(ports, option), f"--{option}-port")
    with data_folder_claimed(folder):
        environment = stack_environment(folder, ports, settings_of({}).kafka_prefix)
        settings = settings_of(environment)
        stages = stack_stages(folder, ports, environment, lambda: _set_up(settings, folder))
        with announced(folder, environment):
            Supervisor(stages, folder / "logs").run(on_ready=lambda: _tell(folder, ports))


def publish_deck(settings: Settings, deck_file: Path) -> int:
    """Publish a deck of the operator's; how many rates it has. Raises SettingsError with its first fault."""
    deck = read_deck(deck_file)
    if deck.faults:
        raise SettingsError(f"{deck_file}: {deck.faults[0]} (`credit-movements rates lint {deck_file}` tells all)")
    if deck.warnings:
        logger.warning(
            "%s: warnings: %d; the first: %s (`rates lint` tells all)", deck_file, len(deck.warnings), deck.warnings[0]
        )
    try:
        publish_prices(settings, RATES, deck.table)
    except RefusedPricesError as refused:
        raise SettingsError(f"{deck_file}: {refused}") from None
    return len(deck.table)


def _set_up(settings: Settings, folder: Path) -> None:
    changes = set_up(settings)
    for line in (*changes.changed, *changes.left):
        logger.warning("%s", line)
    own_deck = folder / _DECK
    if own_deck.exists():
        logger.info("%d rates of %s published", publish_deck(settings, own_deck), own_deck)
        return
    with as_file(files("credit_movements.demo") / _DECK) as sample:
        logger.info(
            "%d rates of the sample deck published; %s would replace it", publish_deck(settings, sample), own_deck
        )


def _tell(folder: Path, ports: Ports) -> None:
    logger.info("ready: Kafka 127.0.0.1:%d, schema registry http://127.0.0.1:%d", ports.kafka, ports.registry)
    logger.info("ready: pages http://127.0.0.1:%d (/readyz, /metrics), logs in %s", ports.http, folder / "logs")
    logger.info("ready: dashboard http://127.0.0.1:%d/dashboard/", ports.http)
    logger.info("topics are kept in memory and end with this process; ClickHouse and exports stay in %s", folder)
