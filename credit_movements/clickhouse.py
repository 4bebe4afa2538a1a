"""The clients of ClickHouse are made here, apart from those of Kafka: who needs one need not wait for the other."""

from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from credit_movements.refusals import RefusedError
from credit_movements.settings import Settings, SettingsError, required, variable
from credit_movements.unreachable import UnreachableError
from sinks.write.brand import check_brand

_REACH_SECONDS = 5
_ANSWER_SECONDS = 60
# What rewrites or deletes rows on all servers takes its time.
REWRITE_SECONDS = 6 * 3600


def check(settings: Settings) -> bool:
    """Whether the tables are marked as this brand's. The database that the DSN names need not be there. Raises as
    `checked_client` does."""
    server = urlsplit(required(settings, "clickhouse_dsn"))._replace(path="").geturl()
    with closing(_checked(settings, server)) as client:
        return check_brand(client, database_name(settings), settings.kafka_prefix)


def checked_client(settings: Settings, answer_seconds: float | None = None) -> Client:
    """Raises UnreachableError where ClickHouse does not answer, RefusedError where it refuses us or may not be trusted,
    SettingsError where the DSN has parameters that nobody knows, OtherBrandError where the database is another brand's."""
    return _checked(settings, required(settings, "clickhouse_dsn"), answer_seconds, is_of_brand=True)


def _checked(settings: Settings, dsn: str, answer_seconds: float | None = None, is_of_brand: bool = False) -> Client:
    try:
        made = _client(settings, dsn, answer_seconds)
        return _of_brand(settings, made) if is_of_brand else made
    except (ClickHouseError, HTTPError, OSError) as error:
        if (why := _refusal(error)) is not None:
            raise RefusedError(f"{variable('clickhouse_dsn')}: {why}") from error
        raise UnreachableError(
            f"{variable('clickhouse_dsn')}: cannot use ClickHouse: {_cause(error)}."
            " Start it, or start `credit-movements up` and leave the variable out."
        ) from error


def check_brand_if_there(settings: Settings) -> None:
    """For who can begin without ClickHouse, and does not wait for one that hangs. Raises OtherBrandError, RefusedError."""
    with suppress(UnreachableError):
        checked_client(settings, _REACH_SECONDS).close()


def client_of_brand(settings: Settings, answer_seconds: float | None = None) -> Callable[[], Client]:
    """Like `client`; until one has answered whose the database is, each is asked. Raises OtherBrandError too."""
    is_known = False

    def make() -> Client:
        nonlocal is_known
        made = _client(settings, required(settings, "clickhouse_dsn"), answer_seconds)
        if not is_known:
            _of_brand(settings, made)
            is_known = True
        return made

    return make


def _of_brand(settings: Settings, made: Client) -> Client:
    """The client, closed where the database is another brand's. Raises as `check_brand` does."""
    with ExitStack() as unless_ours:
        unless_ours.callback(made.close)
        check_brand(made, database_name(settings), settings.kafka_prefix)
        unless_ours.pop_all()
    return made


def client(settings: Settings) -> Client:
    """Raises ClickHouseError, urllib3's HTTPError and OSError as clickhouse-connect does."""
    return _client(settings, required(settings, "clickhouse_dsn"))


def _client(settings: Settings, dsn: str, answer_seconds: float | None = None) -> Client:
    ca_file = settings.clickhouse_ca_file
    try:
        return clickhouse_connect.get_client(
            dsn=dsn,
            # Of the DSN's scheme the driver takes no notice: by another port than 8443 it would send the password in the clear.
            interface="https" if urlsplit(dsn).scheme == "https" else None,
            ca_cert=None if ca_file is None else str(ca_file),
            connect_timeout=_REACH_SECONDS,
            send_receive_timeout=int(answer_seconds or _ANSWER_SECONDS),
            autogenerate_session_id=False,
            # Measured on one machine: packing costs more than the bytes that it saves.
            compress=False,
        )
    # The driver takes what stands there for its own parameters.
    except TypeError as error:
        raise SettingsError(
            f"{variable('clickhouse_dsn')}: has something behind a ? that nobody knows: {error}"
        ) from error


def database_name(settings: Settings) -> str:
    """The database that the DSN names. Raises SettingsError."""
    return urlsplit(required(settings, "clickhouse_dsn")).path.strip("/") or "default"


def _refusal(error: BaseException) -> str | None:
    """Why trying again is no help; None where it may be."""
    name, cause = getattr(error, "name", None), _cause(error)
    if name == "AUTHENTICATION_FAILED":
        return "ClickHouse refuses the user or its password"
    if name == "ACCESS_DENIED":
        return f"ClickHouse does not allow this user what it needs ({cause}): docs/production/clickhouse.md lists the grants"
    if "CERTIFICATE_VERIFY_FAILED" in cause:
        return (
            f"ClickHouse's certificate is not trusted ({cause}): see {variable('clickhouse_ca_file')} and the host name"
        )
    if "WRONG_VERSION_NUMBER" in cause or "RECORD_LAYER_FAILURE" in cause:
        return "ClickHouse does not speak TLS there: http:// instead of https://, or another port"
    return None


def _cause(error: BaseException) -> str:
    """The first error of the chain, in one line: the others only wrap it."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
