"""How far the exports of this process are: for whoever asks, and no part of any decision."""

from collections.abc import Iterator
from contextlib import contextmanager

from exporter.storage.records import AcceptedRequest


class LiveProgress:
    """Rows written by export. It is this process's memory alone: of another worker's exports it knows nothing."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}

    @contextmanager
    def followed(self, accepted: AcceptedRequest) -> Iterator[None]:
        """Around the making of an export, waiting for its turn included."""
        name = accepted.keys.export_hash
        self._rows[name] = 0
        try:
            yield
        finally:
            del self._rows[name]

    def wrote(self, accepted: AcceptedRequest, row_count: int) -> None:
        """So many rows are written; an attempt that begins anew begins at 0. May be called in another thread."""
        if accepted.keys.export_hash in self._rows:
            self._rows[accepted.keys.export_hash] = row_count

    def rows_written(self, accepted: AcceptedRequest) -> int | None:
        """None where this process is not making the export."""
        return self._rows.get(accepted.keys.export_hash)
