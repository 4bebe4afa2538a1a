"""The lines of an account on the dashboard, and the explanation behind each: both of the account that is asked for alone."""

from contextlib import closing
from typing import Any, Final

from credit_movements import clickhouse
from credit_movements.explain.explainer import Explainer
from credit_movements.explain.explanation import Question
from credit_movements.explain.show import as_json
from credit_movements.explain.texts import readable
from credit_movements.settings import Settings
from sinks.read.newest_movements import newest_movements

_MOST_LINES: Final = 20


def newest_lines(settings: Settings, account_id: str) -> list[dict[str, Any]]:
    """The account's newest movements. Raises UnreachableError, MovementsUnavailableError."""
    with closing(clickhouse.checked_client(settings)) as client:
        return [readable(row) for row in newest_movements(client, account_id, _MOST_LINES)]


def explanation(settings: Settings, account_id: str, event_id: str, time_zone: str) -> dict[str, Any]:
    """What `credit-movements explain` says of an id of the account. Raises NotExplainedError where the account has none such,
    and as Explainer does."""
    with closing(Explainer(settings)) as explainer:
        return as_json(explainer.explain(Question(event_id, account_id, time_zone=time_zone)))
