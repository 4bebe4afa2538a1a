"""The world of the fault tests: a broker and a database for one test alone."""

from tests.faults.conftest import (  # noqa: F401 - fixtures
    clickhouse_proxy,
    client,
    dsn,
    kafka_proxy,
    settings,
    world,
)
