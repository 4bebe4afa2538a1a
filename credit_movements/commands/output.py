"""What all commands have in common: where they print, how they end, the option that finds a running `up`."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

console = Console()
errors = Console(stderr=True, highlight=False, soft_wrap=True)

USAGE_ERROR = 2

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of the running `up`.  [default: CREDIT_DATA_DIR]", show_default=False),
]


def fail(line: str, status: int = 1) -> NoReturn:
    """End the command with one line that says why."""
    errors.print(f"credit-movements: {line}", markup=False)
    sys.exit(status)
