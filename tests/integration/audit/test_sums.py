"""The audit of sums on a real ClickHouse: right ones hold, and whatever is spoiled by hand is found and named."""

from collections.abc import Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from credit_movements.audit.clickhouse.erasure import EVER
from credit_movements.audit.clickhouse.rows import ALL_MONTHS
from credit_movements.audit.clickhouse.sums import SumsFound, check_sums
from sinks.read.summed.grains import BY_KEY, BY_QUARTER, REACHED
from sinks.write.erase import erase_account
from tests.integration.sink.test_sums import made, sink

ROWS = 320
ONE = "SELECT * FROM {} WHERE account_id = 'acme' AND log_block = 100 LIMIT 1"


@pytest.fixture
def client(tables: str) -> Iterator[Client]:
    with clickhouse_connect.get_client(dsn=tables, autogenerate_session_id=False) as client:
        yield client


def found(client: Client, kept_from: int = EVER, erased: tuple[str, ...] = ()) -> SumsFound:
    return check_sums(client, "log", ALL_MONTHS, [], erased, kept_from)


def test_right_sums_hold_however_often_they_were_written(client: Client) -> None:
    assert found(client) == SumsFound(0, {}, [])
    rows = made(ROWS)
    sink(client, rows)
    sink(client, rows, first=130)
    assert found(client) == SumsFound(300, {}, [])


one_server = pytest.mark.parametrize("tables", ["one server"], indirect=True)


@one_server
def test_right_sums_hold_whoever_was_erased_and_whatever_is_not_covered(client: Client) -> None:
    sink(client, made(ROWS))
    erase_account(client, "acme")
    assert found(client, erased=("acme",)) == SumsFound(300, {}, [])
    # Sums that nothing covers count nowhere.
    client.command(f"INSERT INTO {BY_QUARTER} SELECT * REPLACE (log_block + 10000 AS log_block) FROM {BY_QUARTER}")
    assert found(client, erased=("acme",)) == SumsFound(300, {}, [])


@one_server
@pytest.mark.parametrize(
    "spoil",
    [
        f"INSERT INTO {BY_QUARTER} SELECT * REPLACE (charges + toDecimal128('0.000000001', 9) AS charges) FROM (%s)",
        f"INSERT INTO {BY_QUARTER} SELECT * REPLACE (movements + 1 AS movements) FROM (%s)",
        f"INSERT INTO {BY_QUARTER} SELECT * REPLACE ('other' AS account_id) FROM (%s)",
        f"INSERT INTO {BY_QUARTER} SELECT * REPLACE (log_block + 100 AS log_block) FROM (%s)",
        f"INSERT INTO {BY_KEY} SELECT * REPLACE (top_ups + 1 AS top_ups, charges - 1 AS charges) FROM (%s)",
        f"INSERT INTO {BY_KEY} SELECT * REPLACE (key || 'x' AS key) FROM (%s)",
        f"INSERT INTO {REACHED} SELECT * REPLACE (400 AS reached) FROM {REACHED}",
    ],
)
def test_a_sum_that_is_wrong_is_found_and_named(client: Client, spoil: str) -> None:
    sink(client, made(ROWS))
    table = BY_KEY if BY_KEY in spoil else BY_QUARTER
    client.command(spoil.replace("%s", ONE.format(table)))
    wrong = found(client)
    assert wrong.wrong[0] >= 1
    assert wrong.examples[0].partition == 0
    assert "UTC" in wrong.examples[0].detail
    assert "the ledger" in wrong.examples[0].detail
