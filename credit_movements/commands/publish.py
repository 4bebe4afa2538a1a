"""The command `publish`: records of a file to a topic."""

from typing import Annotated

import typer

from credit_movements.commands.output import USAGE_ERROR, DataDir, console, fail, progress, stop_asked
from credit_movements.commands.prices.decks import publish_file
from schemas.topics import ACCOUNT_PLANS, PUBLISHABLE, RATES, topic_named


def publish_to_topic(
    topic: Annotated[str, typer.Argument(help=", ".join(each.name for each in PUBLISHABLE))],
    file: Annotated[typer.FileText, typer.Argument(help="JSON Lines, a record a line; - for standard input")],
    data_dir: DataDir = None,
) -> None:
    """Publish records to a topic, as any other client would."""
    from credit_movements.publishing.json_lines import read_lines
    from credit_movements.publishing.records import publish_table
    from credit_movements.settings import load_settings
    from streams.pricing.deck.fault import LINE

    if topic not in {each.name for each in PUBLISHABLE}:
        fail(f"{topic!r} is no topic to publish to: one of {', '.join(each.name for each in PUBLISHABLE)}", USAGE_ERROR)
    records = read_lines(topic_named(topic), file)
    settings = load_settings(data_dir)
    if topic in (RATES.name, ACCOUNT_PLANS.name):
        with stop_asked() as stop:
            publish_file(settings, topic_named(topic), records, file.name, "records", stop)
        return
    with progress() as show:
        count = publish_table(settings, topic_named(topic), records.drop(LINE), lambda sent: show("publishing", sent))
    console().print(f"{count} records published to {topic}.")
