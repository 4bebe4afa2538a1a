"""The commands for prices: `rates lint|publish`, and what `publish` does with rates and account plans."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from credit_movements.commands.output import USAGE_ERROR, DataDir, console, errors, fail
from schemas.topics import RATES, Topic

if TYPE_CHECKING:
    from credit_movements.publishing.records import Line
    from credit_movements.settings import Settings
    from streams.pricing.deck.parsing import Deck

rates_app = typer.Typer(no_args_is_help=True, help="Rate decks: the prices, as CSV files.")


@rates_app.command("lint")
def lint_deck(file: Path) -> None:
    """Check a rate deck and say what is wrong with it, line by line."""
    deck = _linted(file)
    cards = len({each.rate_card_id for each in deck.rates})
    warnings = f"; warnings: {len(deck.warnings)}" if deck.warnings else ""
    console().print(f"{file}: {len(deck.rates)} rates on {cards} rate cards, nothing wrong{warnings}.", soft_wrap=True)


@rates_app.command("publish")
def publish_deck(file: Path, data_dir: DataDir = None) -> None:
    """Publish a rate deck, all of it or nothing: first it is held against all that is published. In force for events read 3
    seconds later."""
    from credit_movements.settings import load_settings

    deck = _linted(file)
    publish_file(
        load_settings(data_dir), RATES, list(zip(deck.lines, map(vars, deck.rates), strict=True)), str(file), "rates"
    )


def publish_file(settings: "Settings", topic: Topic, lines: list["Line"], file: str, what: str) -> None:
    """Publish rates or account plans (called `what`) of a file, all or nothing, and say what came of it, line by line."""
    from credit_movements.publishing.prices import RefusedPricesError, publish_prices

    try:
        published = publish_prices(settings, topic, lines)
    except RefusedPricesError as refused:
        for fault in refused.faults:
            errors().print(f"{file}: {fault}", markup=False)
        fail(f"{file}: faults found: {len(refused.faults)}; nothing was published")
    for warning in published.warnings:
        errors().print(f"{file}: warning: {warning}", markup=False)
    if not published.sent:
        console().print(f"all {published.unchanged} {what} are published already: nothing to do.")
        return
    already = f", {published.unchanged} were already" if published.unchanged else ""
    to = "" if topic is RATES and what == RATES.name else f" to {topic.name}"
    console().print(f"{published.sent} {what} published{to}{already}.")


def _linted(file: Path) -> "Deck":
    from streams.pricing.deck.parsing import read_deck

    try:
        deck = read_deck(file)
    except OSError as error:
        fail(f"{file}: {error.strerror}", USAGE_ERROR)
    for warning in deck.warnings:
        errors().print(f"{file}: warning: {warning}", markup=False)
    for fault in deck.faults:
        errors().print(f"{file}: {fault}", markup=False)
    if deck.faults:
        fail(f"{file}: faults found: {len(deck.faults)}")
    for note in deck.notes:
        errors().print(f"{file}: {note}", markup=False)
    return deck
