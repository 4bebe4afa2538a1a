"""Text from outside, in a table of Rich."""

from io import StringIO

from rich.console import Console
from rich.table import Table

from credit_movements.terminal.texts import cell


def test_a_cell_shows_brackets_as_written_and_what_a_terminal_would_obey_as_an_escape() -> None:
    shown = StringIO()
    table = Table("User")
    for text in ("[/b]", "[bold]anna[/bold]", "\x1b[2J", "two\nlines", "Zoë 李"):
        table.add_row(cell(text))
    Console(file=shown, width=80).print(table)
    cells = [line.strip("│ ") for line in shown.getvalue().splitlines() if line.startswith("│")]
    assert cells == ["[/b]", "[bold]anna[/bold]", r"\x1b[2J", r"two\nlines", "Zoë 李"]
