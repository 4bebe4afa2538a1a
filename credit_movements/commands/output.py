"""What all commands have in common: where they print, how they end, the arguments that several take."""

import sys
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


def _account(text: str) -> str:
    if not 1 <= len(text) <= MOST_ID_CHARACTERS:
        raise typer.BadParameter(f"an account id has 1 to {MOST_ID_CHARACTERS} characters")
    return text


Account = Annotated[str, typer.Argument(help="The account.", callback=_account)]
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


def wide_console() -> "Console":
    """For tables. Piped into a file there is no terminal to fit into, so the lines may be long."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)
