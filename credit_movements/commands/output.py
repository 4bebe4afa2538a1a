"""What all commands have in common: where they print, how they end, the arguments that several take."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from schemas.ids import MOST_ID_CHARACTERS

if TYPE_CHECKING:
    from rich.console import Console

USAGE_ERROR = 2
# As a shell has it: 128 and the number of SIGINT.
INTERRUPTED = 130
_PATIENCE_SECONDS = 1.0
_MOST_TOLD = 1_000


def _account(text: str) -> str:
    if not 1 <= len(text) <= MOST_ID_CHARACTERS:
        raise typer.BadParameter(f"an account id has 1 to {MOST_ID_CHARACTERS} characters")
    return text


def _any_account(text: str | None) -> str | None:
    return None if text is None else _account(text)


Account = Annotated[str, typer.Argument(help="The account.", callback=_account)]
OfAccount = Annotated[
    str | None,
    typer.Option("--account", help="Of this account only; it says where to look, too.", callback=_any_account),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of the running `up`.  [default: CREDIT_DATA_DIR]", show_default=False),
]


@cache
def console() -> "Console":
    """Standard output."""
    # Here and below: `--help` does without it.
    from rich.console import Console

    return Console()


@cache
def errors() -> "Console":
    """Standard error, for lines as they are."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def fail(line: str, status: int = 1) -> NoReturn:
    """End the command with one line that says why."""
    errors().print(f"credit-movements: {line}", markup=False)
    sys.exit(status)


def tell_all(file: str, sentences: Sequence[object], count: int | None = None) -> None:
    """Print what is to be said of a file to standard error, a line each. Nobody reads more than the first thousand, so of more
    only the number is told. `count`: how many there are, if `sentences` are not all."""
    told = [f"{file}: {each}\n" for each in sentences[:_MOST_TOLD]]
    more = (count or len(sentences)) - len(told)
    # The console takes a second for some thousand lines.
    sys.stderr.write("".join([*told, f"{file}: and {more:,} more\n"] if more else told))
    sys.stderr.flush()


@contextmanager
def stop_asked() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C, so that the work ends where it can end in order. A second one ends it at once."""
    stop = threading.Event()

    def ask(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def progress() -> Iterator[Callable[[str, int], None]]:
    """Shows a person who waits longer than a second what is being done, and to how many records so far."""
    began_at = time.monotonic()
    status = errors().status("")

    def show(doing: str, count: int) -> None:
        if errors().is_terminal and time.monotonic() - began_at > _PATIENCE_SECONDS:
            status.update(f"{doing}: {count:,} records")
            status.start()

    try:
        yield show
    finally:
        status.stop()


def wide_console() -> "Console":
    """For tables. Piped into a file there is no terminal to fit into, so the lines may be long."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)
