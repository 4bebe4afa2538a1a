"""chDB, ClickHouse as a library: one data folder, any number of requests at a time.

A process can have one data folder open, with any number of connections to it; each request has one of its own, so
settings and the current database are nobody else's, and queries run beside each other and beside inserts. A connection
costs half a millisecond and lets go of Python's lock while the engine works.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from chdb._exceptions import ChdbError
from chdb.state.sqlitelike import Connection

from credit_movements.embedded.clickhouse import arrow_stream
from credit_movements.embedded.clickhouse.errors import from_engine, refusal
from credit_movements.embedded.clickhouse.statements import InsertHead


@dataclass(frozen=True)
class Context:
    """What a request says beside its statement. `parameters` are the `{name:Type}` of the query, as texts."""

    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False


@dataclass(frozen=True)
class Statistics:
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0


class Engine:
    """The data folder `path`, held open from here to `close`, with a configuration file of ClickHouse if need be. Raises
    ClickHouseError where another process has it."""

    def __init__(self, path: Path, config: Path | None = None) -> None:
        # chDB takes the options of `clickhouse local` behind the path.
        self._path = str(path) if config is None else f"{path}?config-file={config}"
        with _errors_named():
            # The engine lives as long as one connection does: this one keeps it from ending between two requests.
            self._anchor = Connection(self._path)

    @contextmanager
    def session(self, context: Context) -> Iterator["Session"]:
        """A connection for one request, its database and settings set. Raises ClickHouseError if they are wrong."""
        with _errors_named():
            connection = Connection(self._path)
        try:
            yield Session(connection, context)
        finally:
            connection.close()

    def close(self) -> None:
        self._anchor.close()


class Session:
    """One request's connection to the engine. All methods raise ClickHouseError."""

    def __init__(self, connection: Connection, context: Context) -> None:
        self._connection = connection
        self._parameters = dict(context.parameters)
        if context.database:
            self._command(f"USE {_quoted(context.database, '`')}")
        settings = {**context.settings, **({"readonly": "2"} if context.read_only else {})}
        if settings:
            self._command("SET " + ", ".join(_assignment(name, value) for name, value in settings.items()))

    def query(self, text: str, output_format: str) -> tuple[bytes, Statistics]:
        """The whole result, in memory, and what it took."""
        with _errors_named():
            result = self._connection.query(text, output_format, self._parameters)
        return result.bytes(), Statistics(
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            result_rows=result.rows_read(),
        )

    def stream(self, text: str, output_format: str) -> Generator[bytes | memoryview]:
        """The result of a SELECT in pieces of one block each. The engine works no further than one block ahead."""
        with _errors_named():
            result: Any = self._connection.send_query(text, output_format, self._parameters)
        try:
            blocks = _blocks(result)
            first = next(blocks, None)
            if first is None:
                # For no rows at all the engine streams nothing, not even the header that some formats have.
                yield self.query(text, output_format)[0]
                return
            chunks = chain([first], blocks)
            yield from arrow_stream.joined(chunks) if output_format == "ArrowStream" else chunks
        finally:
            with _errors_named():
                result.close()

    def insert(self, head: InsertHead, data: Iterable[bytes]) -> Statistics:
        """Inserts `data`, which is in the format that `head` names. An error in it, or in reading it, cancels the
        insert; as in ClickHouse, whole blocks (about a million rows) that came before stay."""
        with _errors_named():
            inserter: Any = self._connection.send_insert(head.statement, head.format)
        try:
            for chunk in data:
                with _errors_named():
                    inserter.append(chunk)
            with _errors_named():
                result = inserter.finish()
        finally:
            inserter.close()
        return Statistics(written_rows=result.rows_written, written_bytes=result.bytes_written)

    def _command(self, text: str) -> None:
        with _errors_named():
            self._connection.query(text)


def _blocks(result: Any) -> Iterator[bytes]:
    while True:
        with _errors_named():
            block = result.fetch()
        if block is None:
            return
        yield block.bytes()


def _assignment(name: str, value: str) -> str:
    if not name.isidentifier():
        raise refusal(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'")
    return f"{name} = {_quoted(value, chr(39))}"


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


@contextmanager
def _errors_named() -> Iterator[None]:
    """chDB raises a bare RuntimeError for what ClickHouse calls an exception."""
    try:
        yield
    except (ChdbError, RuntimeError) as error:
        raise from_engine(str(error)) from error
