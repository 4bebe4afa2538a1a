"""The commands for prices: `rates lint|publish`, and what `publish` does with rates and account plans."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from credit_movements.commands.output import (
    INTERRUPTED,
    USAGE_ERROR,
    DataDir,
    console,
    fail,
    progress,
    stop_asked,
    tell_all,
)
from schemas.topics import RATES, Topic

if TYPE_CHECKING:
    import polars as pl

    from credit_movements.settings import Settings
    from streams.pricing.deck.parsing import Deck

rates_app = typer.Typer(no_args_is_help=True, help="Rate decks: the prices, as CSV files.")


@rates_app.command("lint")
def lint_deck(file: Path) -> None:
    """Check a rate deck and say what is wrong with it, line by line."""
    deck = linted(file)
    cards = deck.table["rate_card_id"].n_unique()
    warnings = f"; warnings: {len(deck.warnings)}" if deck.warnings else ""
    console().print(f"{file}: {len(deck.table)} rates on {cards} rate cards, nothing wrong{warnings}.", soft_wrap=True)


@rates_app.command("publish")
def publish_deck(file: Path, data_dir: DataDir = None) -> None:
    """Publish a rate deck, all of it or nothing: first it is held against all that is published. In force for events read 3
    seconds later."""
    from credit_movements.settings import load_settings

    with stop_asked() as stop:
        deck = linted(file)
        publish_file(load_settings(data_dir), RATES, deck.table, str(file), "rates", stop)


def publish_file(
    settings: "Settings", topic: Topic, records: "pl.DataFrame", file: str, what: str, stop: threading.Event
) -> None:
    """Publish rates or account plans (called `what`) of a file, all or nothing, and say what came of it, line by line.

    `records`: the columns of the record, and `line`.
    """
    from credit_movements.publishing.prices import RefusedPricesError, StoppedPublishingError, publish_prices

    try:
        with progress() as show:
            published = publish_prices(settings, topic, records, stop, show)
    except RefusedPricesError as refused:
        tell_all(file, refused.faults, refused.count)
        fail(f"{file}: faults found: {refused.count}; nothing was published")
    except StoppedPublishingError as stopped:
        fail(str(stopped), INTERRUPTED)
    tell_all(f"{file}: warning", published.warnings)
    if not published.sent:
        console().print(f"all {published.unchanged} {what} are published already: nothing to do.")
        return
    already = f", {published.unchanged} were already" if published.unchanged else ""
    to = "" if topic is RATES and what == RATES.name else f" to {topic.name}"
    console().print(f"{published.sent} {what} published{to}{already}.")


def linted(file: Path, *, faults_alone: bool = False) -> "Deck":
    """The deck of a file. What is to be said of it is printed; where something is wrong with it, the command ends."""
    from streams.pricing.deck.parsing import read_deck

    try:
        deck = read_deck(file)
    except OSError as error:
        fail(f"{file}: {error.strerror}", USAGE_ERROR)
    if not faults_alone:
        tell_all(f"{file}: warning", deck.warnings)
    tell_all(f"{file}", deck.faults)
    if deck.faults:
        fail(f"{file}: faults found: {len(deck.faults)}")
    if not faults_alone:
        tell_all(f"{file}", deck.notes)
    return deck
