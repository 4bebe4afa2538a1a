"""How far the sums have come, and whether an account's balance may be taken from them.

An account's movements lie in one partition of one log: sums of its covered blocks and the movements behind them are all.
Where movements of another log are found (an embedded log begins anew, and the same event may come again in it), which of them
count is known to the ledger alone. So such an account is added up from the ledger, and so are those of a partition that
has movements twice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.read.consistency import WHOLE_ANSWER
from sinks.read.summed.grains import REACHED

_REACHED: Final = f"""
SELECT log_partition, max(block_offsets), max({REACHED}.reached), max({REACHED}.has_repeats) FROM {REACHED}
WHERE log_id = {{log_id:String}} GROUP BY log_partition
"""
_PLACE: Final = f"""
SELECT place.log, place.number, max(block_offsets) AS size, max({REACHED}.reached) AS until
FROM (
    SELECT toString(log_id) AS log, log_partition AS number FROM credit_movements
    WHERE account_id = {{account_id:String}} LIMIT 1
) AS place
INNER JOIN {REACHED} ON {REACHED}.log_id = place.log AND {REACHED}.log_partition = place.number
GROUP BY place.log, place.number
HAVING NOT max({REACHED}.has_repeats)
"""
# One row is wanted: whoever reads side by side reads more.
_ONE_ROW: Final = {**WHOLE_ANSWER, "max_threads": 1}


@dataclass(frozen=True)
class Reach:
    """A partition's sums are written for all blocks below `reached`, each of `block_offsets` offsets. If it `has_repeats`,
    movements that lie in it twice, none of its sums counts, and `reached` is 0."""

    block_offsets: int
    reached: int
    has_repeats: bool = False

    def below(self, end: int | None) -> int:
        """The end of the last whole block below the offset `end`; None: of all."""
        if end is None or end >= self.reached:
            return self.reached
        return end - end % self.block_offsets


@dataclass(frozen=True)
class Summed:
    """The movements of a partition of the log `log_id` below `until` are in the sums."""

    log_id: str
    log_partition: int
    until: int


def read_reach(client: Client, log_id: str) -> dict[int, Reach]:
    """By partition of the log; those without sums are missing. Raises as clickhouse_connect does."""
    rows = client.query(_REACHED, parameters={"log_id": log_id}, settings=WHOLE_ANSWER).result_rows
    return {
        int(number): Reach(int(block), 0 if has_repeats else int(reached), bool(has_repeats))
        for number, block, reached, has_repeats in rows
    }


def summed(client: Client, account_id: str) -> Summed | None:
    """Which of the account's movements are in the sums; None: add all of them up from the ledger. Raises as `read_reach`."""
    found = client.query(_PLACE, parameters={"account_id": account_id}, settings=_ONE_ROW).result_rows
    if not found or not found[0][3]:
        return None
    log_id, partition, _, reached = found[0]
    place = Summed(str(log_id), int(partition), int(reached))
    return place if not with_other_movements(client, {account_id: place}) else None


def with_other_movements(client: Client, places: Mapping[str, Summed]) -> Collection[str]:
    """Of these accounts those that have movements in other places than theirs. Raises as `read_reach`."""
    if not places:
        return ()
    parameters: dict[str, object] = {}
    questions = []
    for number, (account_id, place) in enumerate(places.items()):
        parameters |= {f"a{number}": account_id, f"l{number}": place.log_id, f"p{number}": place.log_partition}
        # The index over places in the log leaves nothing to read, as a rule.
        questions.append(
            f"(SELECT account_id FROM credit_movements WHERE account_id = {{a{number}:String}}"
            f" AND (log_id != {{l{number}:String}} OR log_partition != {{p{number}:Int32}}) LIMIT 1)"
        )
    rows = client.query(" UNION ALL ".join(questions), parameters=parameters, settings=_ONE_ROW).result_rows
    return {str(account_id) for (account_id,) in rows}
