"""Whether ClickHouse, storage and Kafka are there. Each check really uses them, and says in words what is wrong."""

from collections.abc import Callable

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from exporter.storage.objects import ExportStorage, StorageUnavailableError
from exporter.web.pages import ReadinessCheck
from kafka_io.errors import Outage


def clickhouse_check(clickhouse: Callable[[], Client]) -> ReadinessCheck:
    def check() -> str | None:
        try:
            client = clickhouse()
            try:
                client.command("SELECT 1 FROM credit_movements LIMIT 1")
            finally:
                client.close()
        except (ClickHouseError, HTTPError, OSError) as error:
            return str(error).split("\n", 1)[0]
        return None

    return check


def storage_check(storage: ExportStorage) -> ReadinessCheck:
    def check() -> str | None:
        try:
            storage.check()
        except StorageUnavailableError as error:
            return str(error)
        return None

    return check


def kafka_check(sink_position: Callable[[int], int], has_joined: Callable[[], bool]) -> ReadinessCheck:
    """`has_joined`: whether the consumer group has given us our partitions (there may be none left for us: that is well)."""

    def check() -> str | None:
        if not has_joined():
            return "the consumer group has not assigned partitions yet"
        try:
            sink_position(0)
        except Outage as error:
            return str(error)
        return None

    return check
