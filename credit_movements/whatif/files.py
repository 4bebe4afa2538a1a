"""Files that are whole or not there."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from kafka_io.errors import UserError


class FileNotWrittenError(UserError):
    """A file that was asked for cannot be written."""


@contextmanager
def whole_file(path: Path) -> Generator[BinaryIO, None, None]:
    """A file that gets its name, and replaces what had it, when the `with` block has ended well. Raises FileNotWrittenError."""
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            part = Path(file.name)
            try:
                yield file  # type: ignore[misc]  # its wrapper does what the file does
                file.close()
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise FileNotWrittenError(f"{path}: cannot be written: {error.strerror}") from error
