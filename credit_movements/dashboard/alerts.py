"""What an account was told of its credit, for the page: read from `credit-alerts`, as a service of another team would."""

from contextlib import closing
from typing import Any, Final

from credit_movements import clickhouse, clients
from credit_movements.explain.search import Search
from credit_movements.explain.texts import readable, time_of
from credit_movements.settings import Settings
from kafka_io.positions import TopicPartition
from schemas.partitioner import account_partition
from schemas.topics import CREDIT_ALERTS
from sinks.read.erased import erased_accounts
from sinks.read.slice import outages_named

_MOST_ALERTS: Final = 5
# The newest of the account's partition, which it shares with others.
_MOST_RECORDS: Final = 5_000
_TIMES: Final = ("window_from", "window_to")
_OF_USER: Final = "user:"


def newest_alerts(settings: Settings, account_id: str) -> list[dict[str, Any]]:
    """The account's newest alerts, the newest first; the fields of CreditAlert, as `readable` has them. Of an erased
    account none that is about a user: the topic still names what ClickHouse has not any more.

    Raises UnreachableError, MovementsUnavailableError, StuckError, KafkaException, RegistryUnavailableError.
    """
    there = clients.topics_there(settings, [CREDIT_ALERTS])
    if CREDIT_ALERTS.name not in there:
        raise clients.missing_topics(settings, CREDIT_ALERTS.name)
    partition = account_partition(account_id, len(there[CREDIT_ALERTS.name].partitions))
    place = TopicPartition(CREDIT_ALERTS.name, partition)
    with closing(Search(settings)) as search:
        records, _ = search.holding(account_id.encode(), [place], _MOST_RECORDS, None, both_ends=False)
    rows = clients.codec(settings, CREDIT_ALERTS).decode([record.value() for record in records]).rows.drop("row")
    # A reader of a broker that does not hide aborted records drops an id that it has seen.
    told = {row["alert_id"]: row for row in rows.iter_rows(named=True) if row["account_id"] == account_id}
    of_users = {alert_id for alert_id, row in told.items() if (row["subject"] or "").startswith(_OF_USER)}
    if of_users and _is_erased(settings, account_id):
        told = {alert_id: row for alert_id, row in told.items() if alert_id not in of_users}
    newest = sorted(told.values(), key=lambda row: row["raised_at"], reverse=True)[:_MOST_ALERTS]
    return [readable(row | {name: _time(row[name]) for name in _TIMES}) for row in newest]


def _is_erased(settings: Settings, account_id: str) -> bool:
    with closing(clickhouse.checked_client(settings)) as client, outages_named():
        return account_id in erased_accounts(client)


def _time(micros: int | None) -> str | None:
    return None if micros is None else time_of(micros)
