"""What movements took, and what adjustments have given back of them: the rater asks where refunds are limited."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl
from clickhouse_connect.driver.client import Client

from sinks.read.movements import read_blocks
from sinks.read.slice import WHOLE_SETTINGS

# So many ids fit into one address.
_IDS_OF_A_QUESTION: Final = 1_000
# Without FINAL, so that the index of ids is used: amounts never change, so all versions of a row have the same, and DISTINCT
# counts them once.
_MOVEMENTS: Final = """
SELECT DISTINCT account_id, toString(movement_id) AS named_text, reinterpretAsInt64(credit_movement) AS nanos
FROM credit_movements
WHERE account_id IN {accounts:Array(String)} AND movement_id IN {ids:Array(UUID)}
"""
_ADJUSTMENTS: Final = """
SELECT DISTINCT
    account_id,
    toString(assumeNotNull(corrected_movement_id)) AS named_text,
    toString(movement_id) AS movement_text,
    reinterpretAsInt64(credit_movement) AS nanos
FROM credit_movements
WHERE account_id IN {accounts:Array(String)} AND corrected_movement_id IN {ids:Array(UUID)}
"""
_KEY: Final = ["account_id", "corrected_movement_id"]
_MOVEMENT_COLUMNS: Final = {**dict.fromkeys(("account_id", "named_text"), pl.String()), "nanos": pl.Int64()}
_ADJUSTMENT_COLUMNS: Final = {**_MOVEMENT_COLUMNS, "movement_text": pl.String()}
# Of many amounts the sum may be beyond what the rater's column holds. It is then more than any movement.
_MOST_NANOS: Final = 4 * 10**18


def taken_and_given(client: Client, adjustments: pl.DataFrame) -> pl.DataFrame:
    """Of the movements that these `adjustments` (`account_id`, `corrected_movement_id`, and their own `event_id`) name: the two
    columns, `movement_nanos`, and `adjusted_nanos`, the sum of the amounts of their adjustments. `movement_nanos` is null where
    the account has only adjustments of it; where it has neither, there is no line.

    What these adjustments themselves gave in an earlier log does not count. Raises MovementsUnavailableError.
    """
    asked = adjustments.select(_KEY).unique().sort(_KEY)
    movements = (
        _answers(client, _MOVEMENTS, asked, _MOVEMENT_COLUMNS)
        .rename({"nanos": "movement_nanos"})
        .unique(_KEY, keep="any")
    )
    given = (
        _answers(client, _ADJUSTMENTS, asked, _ADJUSTMENT_COLUMNS)
        .unique(["account_id", "movement_text"], keep="any")
        .join(adjustments, left_on=["account_id", "movement_text"], right_on=["account_id", "event_id"], how="anti")
        .group_by(_KEY)
        .agg(_sum(pl.col("nanos")).alias("adjusted_nanos"))
    )
    return (
        asked.join(movements, on=_KEY, how="left")
        .join(given, on=_KEY, how="left")
        .filter(pl.any_horizontal(pl.col("movement_nanos", "adjusted_nanos").is_not_null()))
        .with_columns(pl.col("adjusted_nanos").fill_null(0))
    )


def _sum(nanos: pl.Expr) -> pl.Expr:
    return nanos.cast(pl.Int128).sum().clip(-_MOST_NANOS, _MOST_NANOS).cast(pl.Int64)


def _answers(client: Client, sql: str, asked: pl.DataFrame, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Together, for the pairs of account and id that are asked, and no others that the two lists make."""

    def blocks() -> Iterator[pl.DataFrame]:
        for some in asked.iter_slices(_IDS_OF_A_QUESTION):
            parameters: dict[str, Any] = {
                "accounts": some["account_id"].unique().to_list(),
                "ids": some["corrected_movement_id"].unique().to_list(),
            }
            yield from read_blocks(client, sql, parameters, dict(WHOLE_SETTINGS))

    found = pl.concat([pl.DataFrame(schema=columns), *(block.select(*columns) for block in blocks())])
    return found.rename({"named_text": _KEY[1]}).join(asked, on=_KEY, how="semi")
