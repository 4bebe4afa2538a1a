"""Columns that grow at their end. What was taken of one stays as it is, and shares its memory with what comes later."""

from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

Number = TypeVar("Number", bound=np.generic)


class GrowingColumn(Generic[Number]):
    """Numbers, or rows of `width` numbers that lie side by side."""

    def __init__(self, dtype: type[Number], width: int | None = None) -> None:
        self._shape = () if width is None else (width,)
        self._room: npt.NDArray[Number] = np.empty((0, *self._shape), dtype=dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def values(self) -> npt.NDArray[Number]:
        """All that are there now. An array that was taken before does not see what is appended."""
        return self._room[: self._count]

    def append(self, values: npt.NDArray[Any]) -> None:
        count = self._count + len(values)
        if count > len(self._room):
            room = np.empty((max(count, 2 * len(self._room)), *self._shape), dtype=self._room.dtype)
            room[: self._count] = self.values
            self._room = room
        self._room[self._count : count] = values
        self._count = count


class GrowingTexts:
    """Texts, as one series of few chunks: each chunk has at least twice the texts of the next one."""

    def __init__(self) -> None:
        self._chunks: list[pl.Series] = []
        self.values = pl.Series(dtype=pl.String)

    def __len__(self) -> int:
        return len(self.values)

    def append(self, texts: pl.Series) -> None:
        if not len(texts):
            return
        self._chunks.append(texts.alias("").rechunk())
        while len(self._chunks) > 1 and len(self._chunks[-2]) < 2 * len(self._chunks[-1]):
            self._chunks[-2:] = [pl.concat(self._chunks[-2:], rechunk=True)]
        self.values = pl.concat(self._chunks, rechunk=False)
