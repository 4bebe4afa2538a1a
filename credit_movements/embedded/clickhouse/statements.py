"""What the server must know of a statement before ClickHouse reads it: where its data begin, and the format of its result."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Strings, quoted names and comments are passed over whole, so that nothing inside them is taken for a keyword.
_TOKEN = re.compile(
    rb"""'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*` | --[^\n]* | /\*.*?\*/ | \w+ | [()]""",
    re.DOTALL | re.VERBOSE,
)
_NOTHING = re.compile(rb"(?:[\s;]|--[^\n]*|/\*.*?\*/)*", re.DOTALL)
_COMMENT = re.compile(rb"--|/\*")
_END_OF_HEAD = re.compile(rb"[ \t\f]*;?[ \t\f]*\r?\n?")

# A chunk of chDB's stream is complete in itself, with a header of its own in most formats. These have none (or, of
# ArrowStream, one that `arrow_stream` takes out again), so that chunk after chunk is one result.
STREAMABLE_FORMATS = frozenset({"Native", "ArrowStream", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow"})
DEFAULT_FORMAT = "TabSeparated"


@dataclass(frozen=True)
class InsertHead:
    """The part of an INSERT before its data: `statement` without its FORMAT, and where the data begins."""

    statement: str
    format: str
    data_offset: int


def insert_head(text: bytes) -> InsertHead | None:
    """The head of `INSERT INTO ... FORMAT name <data>`; None for any other statement, `INSERT ... VALUES` included.

    `text` need be no more than the beginning of the statement: its head, and one more byte if data follows.
    """
    words = _words(text)
    if next(words, (b"", 0, 0))[0] != b"INSERT":
        return None
    for word, start, _ in words:
        if word in {b"VALUES", b"SELECT", b"WITH", b"FROM", b"WATCH"}:
            return None
        if word == b"FORMAT":
            name, _, end = next(words, (b"", 0, 0))
            head_end = _END_OF_HEAD.match(text, end)
            if not name or head_end is None:
                return None
            return InsertHead(text[:start].decode().strip(), text[end - len(name) : end].decode(), head_end.end())
    return None


def output_format(text: bytes) -> str | None:
    """The name in `... FORMAT name [SETTINGS ...]` at the end of a query, or None."""
    words = [*_words(text), (b"SETTINGS", len(text), len(text))]
    for (word, _, word_end), (_, start, end), (following, next_start, _) in zip(
        words, words[1:], words[2:], strict=False
    ):
        gaps = (text[word_end:start], text[end:next_start])
        if word == b"FORMAT" and following == b"SETTINGS" and all(_NOTHING.fullmatch(gap) for gap in gaps):
            return text[start:end].decode()
    return None


def is_read(text: bytes) -> bool:
    """Whether this is a SELECT, the only kind of statement whose result chDB can stream."""
    stripped = text.lstrip()
    return stripped.startswith(b"(") or next(_words(stripped), (b"", 0, 0))[0] in {b"SELECT", b"WITH"}


def _words(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The bare words outside brackets, in capitals, each with where it begins and ends."""
    depth = 0
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in {b"(", b")"}:
            depth += 1 if word == b"(" else -1
        elif depth == 0 and word[:1] not in {b"'", b'"', b"`"} and not _COMMENT.match(word):
            yield word.upper(), token.start(), token.end()
