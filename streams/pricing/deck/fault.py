"""One fault of a rate deck, and where it stands."""

from typing import NamedTuple

# The column of a table that says in which line of its file a row stands.
LINE = "line"


class Fault(NamedTuple):
    """The line (the header is line 1), the column ('' for the whole line) and the sentence."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}" + (f", {self.column}" if self.column else "") + f": {self.message}"
