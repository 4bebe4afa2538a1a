"""Local times of a period, by the same offsets as the period itself. Pure.

Polars has a time-zone database of its own, maybe of another version.
"""

from functools import cache

import polars as pl

DAY_SECONDS = 24 * 3600
_SECOND_MICROS = 1_000_000
_MINUTE_SECONDS = 60

# (instant, how far the local clock is ahead of UTC from then on), both in microseconds: see `utc_offsets`.
Offsets = list[tuple[int, int]]


def local_seconds(instants: pl.Series, offsets: Offsets) -> pl.Series:
    """What the local clock shows, as seconds since its own 1970-01-01 00:00:00. Fractions are cut."""
    return pl.select((instants + _shift(instants, offsets)) // _SECOND_MICROS).to_series()


def local_times(instants: pl.Series, offsets: Offsets) -> pl.Series:
    """Local times as `YYYY-MM-DD HH:MM:SS`."""
    seconds = local_seconds(instants, offsets)
    # Rows lie in the order of time, so those of one second lie together, and share one text.
    distinct = seconds.rle().struct.field("value")
    return time_texts(distinct).gather(seconds.rle_id()).alias("at")


def time_texts(seconds: pl.Series) -> pl.Series:
    """The same of seconds since 1970-01-01 00:00:00; at least one."""
    days, times = seconds // DAY_SECONDS, seconds % DAY_SECONDS
    # Looking texts up in a table takes a fraction of the time of formatting them.
    first_day, last_day = int(days.to_numpy().min()), int(days.to_numpy().max())
    dates = pl.int_range(first_day, last_day + 1, dtype=pl.Int32, eager=True).cast(pl.Date).dt.strftime("%Y-%m-%d ")
    return dates.gather(days - first_day) + _times_of_day().gather(times)


def offset_texts(instants: pl.Series, offsets: Offsets) -> pl.Series:
    """How far the local clock is ahead of UTC, as `UTC+02:00`; with seconds where it has some, as clocks once had. It begins
    with a letter, so that no spreadsheet takes it for a formula."""
    seconds = pl.select(_shift(instants, offsets) // _SECOND_MICROS + 0 * instants).to_series()
    known = seconds.unique()
    return seconds.replace_strict(known, [_offset_text(each) for each in known.to_list()], return_dtype=pl.String)


def _shift(instants: pl.Series, offsets: Offsets) -> pl.Expr:
    (_, offset), *changes = offsets
    shift: pl.Expr = pl.lit(offset, dtype=pl.Int64)
    for changed_at, changed_offset in changes:
        shift = pl.when(pl.lit(instants) < changed_at).then(shift).otherwise(pl.lit(changed_offset, dtype=pl.Int64))
    return shift


def _offset_text(seconds: int) -> str:
    minutes, rest = divmod(abs(seconds), _MINUTE_SECONDS)
    text = f"UTC{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{rest:02}" if rest else text


@cache
def _times_of_day() -> pl.Series:
    return pl.time_range(interval="1s", eager=True).dt.strftime("%H:%M:%S")
