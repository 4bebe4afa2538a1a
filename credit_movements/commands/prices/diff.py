"""The command `rates diff`: two price lists compared, or the ledger rated anew by another one."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from credit_movements.commands.output import USAGE_ERROR, AsJson, DataDir, console, fail, progress, wide_console
from credit_movements.commands.prices.decks import linted

if TYPE_CHECKING:
    import polars as pl

    from credit_movements.whatif.service import OnProgress

PUBLISHED = "published"
_TWO_DECKS = 2
_MOST_CARDS = 5

Decks = Annotated[
    list[str],
    typer.Argument(metavar="[OLD] NEW", help=f"Deck files, or the word {PUBLISHED}. With --against NEW alone."),
]
Against = Annotated[
    str | None,
    typer.Option(help="Rate the ledger's usage of so long ago until now anew by NEW, say P30D.", metavar="DURATION"),
]
AsIfAt = Annotated[
    str | None,
    typer.Option(
        "--as-if-at", help="As if all of it had happened then, by plans and rates of that time.", metavar="TIME"
    ),
]
Over = Annotated[
    bool,
    typer.Option(
        "--over",
        help="Lay NEW over OLD, as publishing does: what NEW does not name stays. Otherwise NEW is the whole price list of its"
        " cards, from its first rate of each on.",
    ),
]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Write all changes, or all accounts, to this file.")]
Adjust = Annotated[
    Path | None,
    typer.Option(help="Write the adjustments that make it good, for `publish adjustment-events`.", metavar="FILE"),
]
BookedAt = Annotated[
    str | None,
    typer.Option(
        "--booked-at", help="When all adjustments occur. Otherwise each when its movement did.", metavar="TIME"
    ),
]


class _Options(NamedTuple):
    """What the command was asked, as it was written."""

    decks: list[str]
    against: str | None
    as_if_at: str | None
    over: bool
    csv: Path | None
    adjust: Path | None
    booked_at: str | None
    as_json: bool
    data_dir: Path | None


def diff(
    decks: Decks,
    against: Against = None,
    as_if_at: AsIfAt = None,
    over: Over = False,
    csv: CsvFile = None,
    adjust: Adjust = None,
    booked_at: BookedAt = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Compare two price lists: `rates diff OLD NEW`. Or say what each account would have paid by another one:
    `rates diff NEW --against P30D`."""
    options = _Options(decks, against, as_if_at, over, csv, adjust, booked_at, as_json, data_dir)
    if wrong := _wrong(options):
        fail(wrong, USAGE_ERROR)
    # Blocks are rated in small steps, as a rater does: with threads for each of them Polars takes longer.
    from credit_movements.workers.polars_setup import set_up_polars

    set_up_polars()
    with progress() as show:
        if against is None:
            _compare(options, show)
        else:
            _rate_anew(options, against, show)


def _wrong(asked: _Options) -> str | None:
    """What does not go together."""
    if asked.against is None:
        if len(asked.decks) != _TWO_DECKS:
            return f"name two price lists, OLD and NEW (a deck file or {PUBLISHED!r}), or use --against P30D"
        if asked.as_if_at is not None or asked.adjust is not None:
            return "--as-if-at and --adjust are about movements of the ledger: they need --against P30D"
    elif len(asked.decks) != 1:
        return "with --against name one price list: what it is compared with is what was charged"
    if asked.adjust is not None and asked.as_if_at is not None:
        return "--adjust mends what movements should have been at their own time: leave --as-if-at out"
    if asked.booked_at is not None and asked.adjust is None:
        return "--booked-at says when adjustments occur: it needs --adjust FILE"
    return None


def _compare(asked: _Options, show: "OnProgress") -> None:
    from credit_movements.whatif.changes import changes_between
    from credit_movements.whatif.changes_report import as_json, changes_csv, show_changes
    from credit_movements.whatif.price_lists import in_place_of, without_plans

    # What is wrong with a file is told before anything is read.
    rates = {name: _rates_of(name) for name in asked.decks if name != PUBLISHED}
    if PUBLISHED in asked.decks:
        rates[PUBLISHED] = _published(asked.data_dir, show)
    old_name, new_name = asked.decks
    old, deck = rates[old_name], rates[new_name]
    new = in_place_of(old, deck, over=asked.over)
    changes = changes_between(old, without_plans(old), new, without_plans(new))
    if asked.csv is not None:
        _write(asked.csv, changes_csv(changes))
    if asked.as_json:
        _print_json(as_json(old_name, new_name, changes))
        return
    show_changes(changes, wide_console())
    if untouched := sorted(set(old["rate_card_id"]) - set(deck["rate_card_id"])):
        more = f" and {len(untouched) - _MOST_CARDS} more" if len(untouched) > _MOST_CARDS else ""
        _say(f"Cards that NEW does not have stay as they are: {', '.join(untouched[:_MOST_CARDS])}{more}.")


def _published(data_dir: Path | None, show: "OnProgress") -> "pl.DataFrame":
    # Two files need no clients of Kafka, which take a while to load.
    from credit_movements.settings import load_settings
    from credit_movements.whatif.published import read_prices

    return read_prices(load_settings(data_dir), show).rates


def _rate_anew(asked: _Options, against: str, show: "OnProgress") -> None:
    from credit_movements.clock import now_micros
    from credit_movements.commands.prices.times import duration_micros, time_micros
    from credit_movements.settings import load_settings
    from credit_movements.whatif.question import Question, answered
    from credit_movements.whatif.report import accounts_csv, as_json, show_what_if

    (name,) = asked.decks
    question = Question(
        deck=None if name == PUBLISHED else _rates_of(name),
        length_micros=duration_micros("--against", against),
        over=asked.over,
        at_micros=None if asked.as_if_at is None else time_micros("--as-if-at", asked.as_if_at),
        adjust=asked.adjust,
        booked_at=None if asked.booked_at is None else time_micros("--booked-at", asked.booked_at),
    )
    answer = answered(load_settings(asked.data_dir), question, now_micros(), show)
    if asked.csv is not None:
        _write(asked.csv, accounts_csv(answer.found))
    if asked.as_json:
        _print_json({"deck": name, "deck_content": answer.content, **as_json(answer.found, answer.names)})
        return
    show_what_if(answer.found, answer.names, wide_console())
    _say(f"The content of {name} is {answer.content}.")
    if asked.adjust is not None:
        _say(f"Look at {asked.adjust}, then: credit-movements publish adjustment-events {asked.adjust}")


def _rates_of(deck: str) -> "pl.DataFrame":
    """The rates of a deck file. What is wrong with it ends the command."""
    from streams.pricing.deck.fault import LINE

    return linted(Path(deck), faults_alone=True).table.drop(LINE)


def _write(path: Path, content: bytes) -> None:
    from credit_movements.whatif.files import whole_file

    with whole_file(path) as file:
        file.write(content)


def _say(line: str) -> None:
    console().print(line, markup=False, highlight=False, soft_wrap=True)


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
