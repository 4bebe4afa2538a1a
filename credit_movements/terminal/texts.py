"""Text from outside on a terminal: ids, numbers and names are shown as they are, and neither move its cursor nor colour it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text


def printable(text: str) -> str:
    """With an escape in place of each character that a terminal would obey."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def cell(text: str) -> "Text":
    """For a table of Rich, which would take brackets in a plain text for markup."""
    # Not at the top: `--help` does without it.
    from rich.text import Text

    return Text(printable(text))
