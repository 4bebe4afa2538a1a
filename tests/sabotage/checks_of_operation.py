"""The checks of what stands around rating: see `checks`."""

import logging
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from clickhouse_migrations.clickhouse_cluster import ClickhouseCluster

from credit_movements import clickhouse, logs
from credit_movements.settings import Settings
from sinks.write.brand import OtherBrandError, mark_brand
from tests.integration.sink import test_personal_data
from tests.unit.credit_movements import test_clients
from tests.unit.sinks.write import test_migrations

Fixture = Callable[[str], Any]


def all_names_have_the_prefix(_: Fixture) -> None:
    with pytest.MonkeyPatch.context() as patch:
        test_clients.test_a_prefix_is_in_front_of_all_that_kafka_and_the_registry_name(patch)


def other_brands_are_refused(fixture: Fixture) -> None:
    dsn = fixture("dsn")
    with closing(clickhouse.client(Settings(clickhouse_dsn=dsn))) as client:
        mark_brand(client, "acme.")
    try:
        clickhouse.checked_client(Settings(clickhouse_dsn=dsn, kafka_prefix="acme.eu-")).close()
    except OtherBrandError:
        return
    raise AssertionError("a brand has opened the ledger of another one")


def no_line_shows_a_password(_: Fixture) -> None:
    try:
        raise OSError("cannot reach http://rater:a-secret@registry:8081/subjects")
    except OSError as error:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "%s", (error,), sys.exc_info())
    assert "a-secret" not in logs._WithoutPasswords("%(message)s").format(record)


def erasure_changes_no_amount(fixture: Fixture) -> None:
    # Not the client of the fault tests, which stops merges: an erasure waits for them.
    with closing(clickhouse.client(Settings(clickhouse_dsn=fixture("dsn")))) as client:
        test_personal_data.test_an_account_is_erased_and_no_other_and_no_amount_changes(client, "acme")


def all_of_an_account_is_on_one_shard(_: Fixture) -> None:
    """The tables are those of the golden file, which has the sharding key."""
    noted = test_migrations.Recorded([])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClickhouseCluster, "connection", lambda *_: noted)
        test_migrations.test_the_tables_of_a_cluster_are_these(noted.statements)
