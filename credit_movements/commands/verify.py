"""The command `verify`: an exported file against its manifest."""

from pathlib import Path
from typing import Annotated

import typer


def verify(
    file: Path,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="Its manifest.  [default: beside it, .manifest.json in place of .csv, or behind another ending]"
        ),
    ] = None,
) -> None:
    """Check an exported file against its manifest, line by line. Needs no server and no settings."""
    from rich.console import Console

    from credit_movements.verify.findings import MOST_LISTED
    from credit_movements.verify.reading.source import UnreadableFileError
    from credit_movements.verify.report import summary
    from credit_movements.verify.verification import verified

    console = Console(highlight=False, soft_wrap=True)
    try:
        manifest_read, findings = verified(file, manifest)
    except OSError as error:
        raise UnreadableFileError(f"{file}: {error.strerror}") from error
    if not findings.count:
        console.print(summary(file, manifest_read), markup=False)
        return
    for each in findings.listed:
        console.print(each, markup=False)
    if findings.count > MOST_LISTED:
        console.print(f"... and {findings.count - MOST_LISTED} more")
    console.print(f"{file} is NOT what its manifest says: {findings.count} differences.", markup=False)
    raise typer.Exit(1)
