"""ClickHouse made anew from the log, on real parts: nothing else is needed, and nobody hands out a short file meanwhile."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
from confluent_kafka import Consumer
from pydantic import SecretStr

from credit_movements import clients
from credit_movements.settings import Settings, required, variable
from credit_movements.setup.provision import make_topics, set_up
from credit_movements.setup.rebuild import SINKS, WorkersAtWorkError, rebuild
from exporter.faust_app import GROUP_ID as EXPORTERS
from kafka_io.offsets import OffsetAndNote, commit, committed_offsets
from kafka_io.positions import TopicPartition
from schemas.topics import CREDIT_MOVEMENTS, EXPORT_REQUESTS, RATES, USAGE_EVENTS
from sinks.write.migrations import apply_migrations
from tests.acceptance.command import run_forked as run
from tests.clickhouse.databases import own_database
from tests.integration.audit.audited import Audited
from tests.integration.records import event, rate
from tests.integration.stack import Stack, eventually
from tests.kafka.brokers import BROKERS

EVENTS = 40
one_broker = pytest.mark.parametrize("kafka", BROKERS[:1], indirect=True)
_EVERYTHING = "SELECT groupArray(tuple(*)) FROM (SELECT * FROM credit_movements FINAL ORDER BY movement_id)"


@pytest.fixture
def audited(settings: Settings, clickhouse_of_a_cluster: str) -> Iterator[Audited]:
    """Everything is rated and stored. ClickHouse has a disk for backups; its tables are those of one server."""
    with own_database(clickhouse_of_a_cluster, "rebuilt") as database, stored(settings, database) as made:
        yield made


@contextmanager
def stored(settings: Settings, database: str) -> Iterator[Audited]:
    apply_migrations(database)
    settings = settings.model_copy(update={"clickhouse_dsn": SecretStr(database), "sink_http_port": 0})
    make_topics(settings)
    with Stack(settings) as stack, clickhouse_connect.get_client(dsn=database, autogenerate_session_id=False) as client:
        stack.publish_priced(RATES, rate())
        stack.publish(USAGE_EVENTS, *(event(number) for number in range(EVENTS)))
        made = Audited(stack, client)
        made.work()
        yield made


def rows(audited: Audited) -> object:
    return audited.client.query(_EVERYTHING).result_rows


def test_a_table_that_was_lost_is_made_anew_row_for_row_and_the_audit_holds(audited: Audited) -> None:
    before = rows(audited)
    assert audited.audit().holds
    audited.client.command("DROP TABLE credit_movements SYNC")
    audited.client.command("DROP TABLE schema_versions SYNC")
    apply_migrations(required(audited.settings, "clickhouse_dsn"))
    assert rebuild(audited.settings, empty=False) == 4
    # From here on exporters wait: the sinks have stored nothing.
    assert audited.sink_lag() >= EVENTS
    with audited.sinking():
        eventually(lambda: audited.sink_lag() == 0)
    assert rows(audited) == before
    again = audited.audit()
    assert (again.holds, sum(each.rows for each in again.logs)) == (True, EVENTS)


@one_broker
def test_after_a_restore_the_sinks_go_on_at_the_offsets_that_were_noted_before_the_backup(audited: Audited) -> None:
    logs = [TopicPartition(CREDIT_MOVEMENTS.name, number) for number in range(4)]
    group = clients.group_consumer(audited.settings, SINKS)
    noted = committed_offsets(group, logs)
    database = audited.client.command("SELECT currentDatabase()")
    tables = f"TABLE {database}.credit_movements, TABLE {database}.erased_accounts"
    backup = f"{tables} TO Disk('backups', '{database}')"
    audited.client.command(f"BACKUP {backup}")
    audited.stack.publish(USAGE_EVENTS, *(event(number) for number in range(EVENTS, EVENTS + 20)))
    audited.work()
    before = rows(audited)
    for (name,) in audited.client.query("SHOW TABLES").result_rows:
        audited.client.command(f"DROP TABLE {name} SYNC")
    audited.client.command(f"RESTORE {backup.replace(' TO ', ' FROM ')}")
    assert audited.client.command("SELECT count() FROM credit_movements FINAL") == EVENTS
    # As `kafka-consumer-groups.sh --reset-offsets` does it.
    commit(group, {each: OffsetAndNote(at) for each, at in noted.items()})
    group.close()
    set_up(audited.settings)
    with audited.sinking():
        eventually(lambda: audited.sink_lag() == 0)
    assert rows(audited) == before
    assert audited.audit().holds


@one_broker
def test_what_the_log_does_not_have_goes_where_the_table_is_emptied(audited: Audited) -> None:
    before = rows(audited)
    message, movement = audited.movements()[0]
    audited.insert(message, log_offset=10_000, **movement | {"account_id": "nobody"})
    assert audited.found() == {"surplus_row": 1}
    rebuild(audited.settings, empty=True)
    assert audited.client.command("SELECT count() FROM credit_movements") == 0
    with audited.sinking():
        eventually(lambda: audited.sink_lag() == 0)
    assert rows(audited) == before


@one_broker
def test_setup_makes_the_database_too_and_tells_what_it_changed(settings: Settings, database: str) -> None:
    with closing(clickhouse_connect.get_client(dsn=database, autogenerate_session_id=False)) as client:
        client.command(f"DROP DATABASE {urlsplit(database).path.strip('/')}")
        update: dict[str, Any] = {"clickhouse_dsn": SecretStr(database)}
        assert set_up(settings.model_copy(update=update)).changed == []
        kept = settings.model_copy(update=update | {"movements_retention": timedelta(days=400)})
        assert set_up(kept).changed == [
            "ClickHouse keeps the numbers called and the users of movements for 400 days now: changed"
        ]
        assert set_up(kept).changed == []


@pytest.mark.thorough
@one_broker
def test_the_commands_say_what_they_did(audited: Audited) -> None:
    settings = audited.settings
    needed = ("kafka_bootstrap_servers", "schema_registry_url", "clickhouse_dsn")
    environment: dict[str, Any] = {variable(name): required(settings, name) for name in needed}
    users = run("setup", "--clickhouse-users", **environment)
    assert "GRANT SELECT, INSERT ON `rebuilt_" in users.stdout
    assert str(urlsplit(required(settings, "clickhouse_dsn")).password) not in users.stdout
    erased = run("erase", "acct-1", **environment)
    assert erased.stdout.startswith("Account 'acct-1': 6 rows had a number or a user and have none now")
    rebuilt = run("rebuild", "--empty", **environment)
    assert rebuilt.stdout.startswith(
        "ClickHouse is empty, and the sinks begin at the beginning of the log in all 4 partitions"
    )
    with audited.sinking():
        eventually(lambda: audited.sink_lag() == 0)
        # The log has the numbers, and ClickHouse still has not.
        left = "SELECT count() FROM credit_movements FINAL WHERE account_id = 'acct-1' AND isNotNull(destination)"
        assert audited.client.command(left) == 0
        at_work = run("rebuild", **environment)
    assert (at_work.returncode, at_work.stderr.count("\n")) == (1, 1)
    assert at_work.stderr.startswith("credit-movements: a sink is at work: stop all sinks and exporters first")
    assert audited.audit().holds


def member(settings: Settings, group: str, topic: str) -> Consumer:
    """Somebody of the group, at work."""
    consumer = clients.group_consumer(settings, group, **{"auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    eventually(lambda: bool(consumer.poll(0.1) or consumer.assignment()))
    return consumer


def test_beside_a_sink_nothing_is_set_back(audited: Audited) -> None:
    with audited.sinking():
        audited.stack.publish(USAGE_EVENTS, event(1000))
        audited.stack.rate_everything()
        eventually(lambda: audited.sink_lag() == 0)
        with pytest.raises(WorkersAtWorkError, match="a sink is at work: stop all sinks and exporters first"):
            rebuild(audited.settings, empty=True)
        assert audited.sink_lag() == 0
    assert audited.client.command("SELECT count() FROM credit_movements FINAL") == EVENTS + 1


def test_beside_an_exporter_nothing_is_set_back(audited: Audited) -> None:
    exporter = member(audited.settings, EXPORTERS, EXPORT_REQUESTS.name)
    try:
        with pytest.raises(WorkersAtWorkError, match="an exporter is at work"):
            rebuild(audited.settings, empty=True)
        assert audited.sink_lag() == 0
    finally:
        exporter.close()
