"""A database for the tests of one module, and an empty table in it."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client


@pytest.fixture(scope="module")
def dsn(clickhouse: str) -> Iterator[str]:
    """A database of this module's own."""
    name = f"contract_{uuid.uuid4().hex}"
    with closing(clickhouse_connect.get_client(dsn=clickhouse)) as client:
        client.command(f"CREATE DATABASE {name}")
        yield urlsplit(clickhouse)._replace(path=f"/{name}").geturl()
        client.command(f"DROP DATABASE {name}")


@pytest.fixture
def client(dsn: str) -> Iterator[Client]:
    with closing(clickhouse_connect.get_client(dsn=dsn)) as client:
        yield client


@pytest.fixture
def numbers(client: Client) -> str:
    """A table of a number and a text each, empty."""
    name = f"numbers_{uuid.uuid4().hex}"
    client.command(f"CREATE TABLE {name} (number UInt64, text String) ENGINE = MergeTree ORDER BY number")
    return name
