"""The lines of an account on the dashboard, and the explanation behind each: both of the account that is asked for alone."""

from contextlib import closing
from typing import Any, Final

from credit_movements import clickhouse
from credit_movements.explain.explainer import Explainer
from credit_movements.explain.explanation import Question
from credit_movements.explain.show import as_json
from credit_movements.explain.texts import readable
from credit_movements.settings import Settings
from sinks.read.newest_movements import WantedMovements, newest_movements

MOST_LINES: Final = 20


def newest_lines(settings: Settings, wanted: WantedMovements) -> dict[str, Any]:
    """The newest movements, and whether there are `more`. Raises UnreachableError, MovementsUnavailableError."""
    with closing(clickhouse.checked_client(settings)) as client:
        found = newest_movements(client, wanted, MOST_LINES + 1)
        return {"lines": [readable(row) for row in found[:MOST_LINES]], "more": len(found) > MOST_LINES}


def explanation(settings: Settings, account_id: str, event_id: str, time_zone: str) -> dict[str, Any]:
    """What `credit-movements explain` says of an id of the account. Raises NotExplainedError where the account has none such,
    and as Explainer does."""
    with closing(Explainer(settings)) as explainer:
        return as_json(explainer.explain(Question(event_id, account_id, time_zone=time_zone)))
