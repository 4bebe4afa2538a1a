"""A database for a test alone, on the embedded ClickHouse or on the server that CREDIT_TEST_CLICKHOUSE_DSN names."""

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import clickhouse_connect


def in_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()


@contextmanager
def own_database(dsn: str, purpose: str) -> Iterator[str]:
    """The DSN of an empty database, dropped at the end."""
    name = f"{purpose}_{uuid.uuid4().hex}"
    with closing(clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False)) as client:
        client.command(f"CREATE DATABASE {name}")
        try:
            yield in_database(dsn, name)
        finally:
            client.command(f"DROP DATABASE {name} SYNC")
