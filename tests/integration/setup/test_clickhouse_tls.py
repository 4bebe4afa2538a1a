"""ClickHouse over TLS: tables are made, rows inserted and read, and nobody is believed whom no known authority vouches for."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from pydantic import SecretStr

from credit_movements import clickhouse as clients
from credit_movements.refusals import RefusedError
from credit_movements.settings import Settings
from sinks.read.balance import read_balance
from sinks.write.columns import movement_columns
from sinks.write.insert import insert_movements
from sinks.write.migrations import MigrationFailedError, apply_migrations
from tests.clickhouse.tls import tls_in_front_of
from tests.integration.records import minute, movements_table
from tests.kafka.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def dsn(database: str, authority: Authority) -> Iterator[str]:
    """The database, behind TLS."""
    parts = urlsplit(database)
    if parts.scheme == "https" or parts.hostname != "127.0.0.1":
        pytest.skip("CREDIT_TEST_CLICKHOUSE_DSN names a server elsewhere")
    with tls_in_front_of(int(parts.port or 0), authority.issue("clickhouse")) as port:
        yield parts._replace(scheme="https", netloc=f"{parts.username}:{parts.password}@localhost:{port}").geturl()


def settings(dsn: str, ca_file: Path) -> Settings:
    return Settings(clickhouse_dsn=SecretStr(dsn), clickhouse_ca_file=ca_file)


def test_tables_are_made_and_rows_come_and_go_over_tls(dsn: str, authority: Authority) -> None:
    assert apply_migrations(dsn, authority.ca_file)
    rows = movements_table([minute() for _ in range(3)])
    with closing(clients.checked_client(settings(dsn, authority.ca_file))) as client:
        insert_movements(client, movement_columns(rows, "log", np.zeros(3, dtype=np.int64), np.arange(3)))
        assert [each.movements for each in read_balance(client, "acme")] == [3]


def test_a_server_that_another_authority_vouches_for_gets_no_password(dsn: str, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger").ca_file
    with pytest.raises(RefusedError) as refused:
        clients.checked_client(settings(dsn, stranger))
    assert "certificate is not trusted" in str(refused.value)
    assert "CREDIT_CLICKHOUSE_CA_FILE" in str(refused.value)
    with pytest.raises(MigrationFailedError, match="CERTIFICATE_VERIFY_FAILED"):
        apply_migrations(dsn, stranger)
