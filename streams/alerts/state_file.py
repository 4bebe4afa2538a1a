"""What a judge knows, in one file for each partition, so that a restart need not read the whole log.

It is a projection: a file that is lost, torn or of another log is left out, and the log is read from its beginning. The file is
replaced whole. It is a zip of NumPy's arrays, which has a checksum of each.
"""

import logging
import os
import zipfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

logger = logging.getLogger(__name__)

Columns = dict[str, npt.NDArray[Any] | pl.Series]

# Change it whenever the columns of a judge, or what they mean, change: what is on disk is then left out.
_FORMAT: Final = 3
_OFFSETS, _BYTES = ".offsets", ".bytes"
# What a file may raise that is not what was written.
_BROKEN = (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile)


class Known(NamedTuple):
    """`columns` know all movements below `offset` of the partition."""

    offset: int
    columns: Columns


def state_path(folder: Path, partition: int) -> Path:
    return folder / f"{partition}.npz"


def write_state(path: Path, log_id: str, known: Known) -> None:
    """Where that fails it is logged, and the log has all of it."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "format": np.array([_FORMAT]), "offset": np.array([known.offset]), "log": _bytes_of(log_id),
    }  # fmt: skip
    for name, column in known.columns.items():
        arrays |= _texts_as_arrays(name, column) if isinstance(column, pl.Series) else {name: column}
    unfinished = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        logger.warning("%s cannot be written, and is not needed: %s", path, error)


def read_state(path: Path, log_id: str) -> Known | None:
    """None where there is none of this log."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if int(file["format"][0]) != _FORMAT or file["log"].tobytes().decode() != log_id:
                raise ValueError("it is of another log or of another version")
            columns: Columns = {
                name: file[name] for name in file.files if not name.endswith((_OFFSETS, _BYTES)) and name != "log"
            }
            offset = int(columns.pop("offset")[0])
            del columns["format"]
            texts = [name.removesuffix(_OFFSETS) for name in file.files if name.endswith(_OFFSETS)]
            columns |= {name: _texts_of(file[name + _OFFSETS], file[name + _BYTES]) for name in texts}
    except FileNotFoundError:
        return None
    except _BROKEN as error:
        logger.warning("%s is left out, and the log is read from its beginning: %s", path, error)
        return None
    return Known(offset, columns)


def _bytes_of(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _texts_as_arrays(name: str, texts: pl.Series) -> dict[str, npt.NDArray[Any]]:
    offsets = np.append(0, np.cumsum(texts.str.len_bytes().cast(pl.Int64).to_numpy()))
    joined = _bytes_of("".join(texts.to_list()))
    return {name + _OFFSETS: offsets, name + _BYTES: joined}


def _texts_of(offsets: npt.NDArray[np.int64], joined: npt.NDArray[np.uint8]) -> pl.Series:
    array = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(joined))
    array.validate(full=True)
    return pl.Series(array, dtype=pl.String)
