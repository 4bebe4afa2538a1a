"""The clients of ClickHouse are made here, apart from those of Kafka: who needs one need not wait for the other."""

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from credit_movements.settings import Settings, required, variable
from credit_movements.unreachable import UnreachableError

_REACH_SECONDS = 5
_ANSWER_SECONDS = 60


def checked_client(settings: Settings) -> Client:
    """Raises UnreachableError where ClickHouse does not answer."""
    try:
        return client(settings)
    except (ClickHouseError, HTTPError, OSError) as error:
        raise UnreachableError(
            f"{variable('clickhouse_dsn')}: cannot use ClickHouse: {_cause(error)}."
            " Start it, or start `credit-movements up` and leave the variable out."
        ) from error


def client(settings: Settings) -> Client:
    """Raises ClickHouseError, urllib3's HTTPError and OSError as clickhouse-connect does."""
    ca_file = settings.clickhouse_ca_file
    return clickhouse_connect.get_client(
        dsn=required(settings, "clickhouse_dsn"),
        ca_cert=None if ca_file is None else str(ca_file),
        connect_timeout=_REACH_SECONDS,
        send_receive_timeout=_ANSWER_SECONDS,
        autogenerate_session_id=False,
        # Measured on one machine: packing costs more than the bytes that it saves.
        compress=False,
    )


def _cause(error: BaseException) -> str:
    """The first error of the chain, in one line: the others only wrap it."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
