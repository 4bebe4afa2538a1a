"""`credit-movements demo`: the whole stack on free ports, the scenario, the report, the end."""

import os
import shutil
import sys
import threading
from pathlib import Path

from rich.console import Console

from credit_movements.clock import now_micros
from credit_movements.demo.company import Company, company
from credit_movements.demo.report import Report
from credit_movements.demo.scenario import DemoResult, play
from credit_movements.embedded.ports import Ports
from credit_movements.publishing.prices import publish_prices
from credit_movements.settings import Settings, settings_of
from credit_movements.setup.provision import set_up
from credit_movements.stack.servers import stack_environment
from credit_movements.stack.stages import stack_stages
from credit_movements.stack.up import publish_deck
from credit_movements.supervision.occupancy import LOCK_FILE, data_folder_claimed
from credit_movements.supervision.running_up import announced
from credit_movements.supervision.supervisor import Supervisor, Task
from schemas.topics import ACCOUNT_PLANS
from streams.pricing.deck.fault import LINE

_FILE_WIDTH = 120


def run_demo(folder: Path, events: int) -> bool | None:
    """Play the demo in `folder`, which is emptied first. Whether every figure held; None after a Ctrl-C.

    Raises OccupiedError, ServiceFailedError and DemoFailedError.
    """
    # Piped into a file there is no terminal to fit into.
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    folder = folder.absolute()
    with data_folder_claimed(folder):
        _empty(folder)
        made = company(now_micros(), events=events)
        ports = Ports.any_free()
        environment = stack_environment(folder, ports, settings_of({}).kafka_prefix)
        settings = settings_of(environment)
        results: list[DemoResult] = []
        end = threading.Event()

        def scenario() -> None:
            results.append(play(settings, {**os.environ, **environment}, made, events, folder, console))
            end.set()

        stages = [
            *stack_stages(folder, ports, environment, lambda: _set_up(settings, made, folder)),
            Task("scenario", scenario),
        ]
        console.print(
            f"Starting Kafka, a schema registry and ClickHouse on 127.0.0.1, logs in {folder / 'logs'}", highlight=False
        )
        with announced(folder, environment):
            Supervisor(stages, folder / "logs").run(until=end)
    if not results:
        return None
    report = Report(made, results[0], console)
    report.show()
    return report.holds


def _set_up(settings: Settings, made: Company, folder: Path) -> None:
    set_up(settings)
    deck_file = folder / "rates.csv"
    deck_file.write_text(made.rate_deck, encoding="utf-8")
    publish_deck(settings, deck_file)
    publish_prices(settings, ACCOUNT_PLANS, made.plans.with_row_index(LINE, offset=1))


def _empty(folder: Path) -> None:
    for child in folder.iterdir():
        if child.is_dir():
            shutil.rmtree(child)
        elif child.name != LOCK_FILE:
            child.unlink()
