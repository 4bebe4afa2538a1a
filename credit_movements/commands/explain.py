"""The command `explain`."""

import json
import sys
from contextlib import closing
from typing import Annotated

import typer

from credit_movements.commands.output import AsJson, DataDir, OfAccount
from kafka_io.errors import UserError


class BadQuestionError(UserError):
    """An option that cannot be meant: one line."""


def explain(
    event_or_movement: Annotated[str, typer.Argument(metavar="EVENT_ID|MOVEMENT_ID", help="They are the same id.")],
    account: OfAccount = None,
    since: Annotated[
        str | None, typer.Option(help="Look through what was written since, as 2026-01-31T12:00Z.")
    ] = None,
    search: Annotated[int, typer.Option(help="Look through so many records at most.", min=0)] = 100_000,
    time_zone: Annotated[str, typer.Option(help="IANA name, for the line as the CSV has it.")] = "UTC",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Explain a movement: its event, what became of it, and its price step by step."""
    from credit_movements.dead_letters.selection import micros_of_option
    from credit_movements.explain.explainer import Explainer
    from credit_movements.explain.explanation import Question, checked_id
    from credit_movements.explain.show import as_json as in_json
    from credit_movements.explain.show import show
    from credit_movements.settings import load_settings
    from exporter.request.window import known_time_zones

    if time_zone not in known_time_zones():
        raise BadQuestionError(f"--time-zone {time_zone}: no IANA name such as Europe/Berlin")
    question = Question(checked_id(event_or_movement), account, micros_of_option("--since", since), search, time_zone)
    with closing(Explainer(load_settings(data_dir))) as explainer:
        found = explainer.explain(question)
    if as_json:
        sys.stdout.write(json.dumps(in_json(found), indent=2, ensure_ascii=False) + "\n")
    else:
        show(found, lambda line: print(line))
