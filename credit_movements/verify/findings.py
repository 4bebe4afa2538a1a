"""What is wrong with a file, and where."""

from dataclasses import dataclass, field

MOST_LISTED = 20


@dataclass
class Findings:
    """The first `MOST_LISTED` differences in words, and the number of all."""

    listed: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, what: str, line: int | None = None) -> None:
        """`line` counts from 1, as an editor does."""
        self.count += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(what if line is None else f"line {line}: {what}")

    def compare(self, name: str, found: object, expected: object) -> None:
        """`found` in the file, `expected` by the manifest."""
        if found != expected:
            self.add(f"{name}: the file has {found}, the manifest says {expected}")
