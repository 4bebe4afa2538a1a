"""How soon a movement is explained in a large ledger: `python -m benchmarks.explain [ROWS]`.

One event goes its way through rater and sink. The other rows of the ledger are made inside ClickHouse. Then that one is found
by its id with the index of ids and without it, and explained: by a process that runs already, as the dashboard does, and by the
command, a process from its start to its end. Each time is the median of several.
"""

import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from benchmarks.growth.shown import three_figures
from benchmarks.product import command, metric, worker
from benchmarks.results import save
from credit_movements import clickhouse
from credit_movements.demo.generated.deck import sample_deck
from credit_movements.explain.explainer import Explainer
from credit_movements.explain.explanation import NotExplainedError, Question
from credit_movements.settings import Settings, settings_of
from credit_movements.stack.servers import Servers, servers

ROWS: Final = 10_000_000
_TIMES: Final = 9
_ACCOUNT: Final = "acme"
_DAYS: Final = 30
_INSERT_SECONDS: Final = 600
# Few enough to be sorted in memory at once.
_ROWS_AT_ONCE: Final = 500_000
_MADE: Final = f"""
INSERT INTO credit_movements
    (account_id, occurred_at, movement_id, interaction_id, description, quantity, unit, units_charged, price, price_units,
     credit_movement, currency, destination, rate_card_id, destination_prefix, rate_effective_from, source_topic,
     source_partition, source_offset, log_id, log_partition, log_offset)
SELECT
    concat('account-', toString(cityHash64(number) %% 5000)), now64(6) - toIntervalSecond(number %% {_DAYS * 86_400}),
    generateUUIDv4(), concat('CA', toString(number)), 'call', 187, 'seconds', 240, toDecimal64('0.0199', 9), 60,
    toDecimal64('-0.0796', 9), 'EUR', concat('+4915', toString(number)), 'default', '4915',
    toDateTime64('2020-01-01', 6, 'UTC'), 'usage-events', number %% 24, number, 'made', number %% 24, number
FROM numbers(%d, %d)
"""
# ClickHouse notes which rows a question needed, and the same question asked again reads no others.
_BY_ID: Final = """
SELECT account_id FROM credit_movements WHERE movement_id = {id:UUID}
SETTINGS use_skip_indexes = %d, use_query_condition_cache = 0
"""


def main(rows: int) -> None:
    print(
        f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {rows:,} rows, {_TIMES} times each", flush=True
    )
    print("\n| what | seconds |\n|---|---|")
    figures = {}
    for what, seconds in measured(rows):
        print(f"| {what} | {three_figures(seconds)} |", flush=True)
        figures[what] = seconds
    save("explain", {"rows": rows, "seconds": figures})


def measured(rows: int) -> Iterator[tuple[str, float]]:
    """On servers of its own: what, and seconds."""
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as stack:
        settings = settings_of(stack.environment)
        event_id = _one_event(stack, settings, Path(name))
        with closing(clickhouse.checked_client(settings, _INSERT_SECONDS)) as client:
            for first in range(0, rows, _ROWS_AT_ONCE):
                client.command(_MADE % (first, min(_ROWS_AT_ONCE, rows - first)))
            yield "the question for the id, with the index", _median(lambda: _find(client, event_id, 1))
            yield "the same without it", _median(lambda: _find(client, event_id, 0))
        yield "explained by a running process", _median(lambda: _explained(settings, event_id))
        where = ("explain", event_id)
        yield "explained by the command, from its start to its end", _median(lambda: command(stack.environment, *where))
        yield "an id that nobody knows", _median(lambda: _unknown(settings))


def _one_event(stack: Servers, settings: Settings, folder: Path) -> str:
    event_id, deck, events = str(uuid.uuid4()), folder / "rates.csv", folder / "events.jsonl"
    deck.write_text(sample_deck(), encoding="utf-8")
    event = {
        "event_id": event_id, "account_id": _ACCOUNT, "interaction_id": "call-1", "usage_type": "call", "quantity": 187,
        "destination": "+4915112345678", "occurred_at": time.time_ns() // 1000, "user_id": None,
    }  # fmt: skip
    events.write_text(json.dumps(event) + "\n", encoding="utf-8")
    command(stack.environment, "setup")
    command(stack.environment, "rates", "publish", deck)
    command(stack.environment, "publish", "usage-events", events)
    with worker(stack.environment, "credit_movements", "rate"), worker(stack.environment, "credit_movements", "sink"):
        while not metric(settings.sink_http_port, "credit_sink_rows_inserted_total"):
            time.sleep(0.1)
    return event_id


def _find(client: Client, event_id: str, use_index: int) -> None:
    assert client.query(_BY_ID % use_index, parameters={"id": event_id}).result_rows == [(_ACCOUNT,)]


def _explained(settings: Settings, event_id: str) -> None:
    with closing(Explainer(settings)) as explainer:
        assert explainer.explain(Question(event_id)).disagreements == []


def _unknown(settings: Settings) -> None:
    with closing(Explainer(settings)) as explainer:
        try:
            explainer.explain(Question(str(uuid.uuid4())))
        except NotExplainedError:
            return
    raise AssertionError("an id that was just made up is known")


def _median(run: Callable[[], None]) -> float:
    seconds = []
    for _ in range(_TIMES):
        began_at = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began_at)
    return statistics.median(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
