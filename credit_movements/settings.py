"""All settings: environment variables with the prefix CREDIT_, their meanings and their defaults, which stand here alone."""

import difflib
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from credit_movements.kafka_settings import KafkaSettings
from credit_movements.secret_files import SUFFIX, SecretFiles, is_secret
from credit_movements.setting_types import (
    CaFile,
    Duration,
    Port,
    Prefix,
    Retention,
    Secret,
    SecretWebAddress,
    Text,
    WebAddress,
)
from credit_movements.supervision.running_up import running_up
from kafka_io.errors import UserError

PREFIX = "CREDIT_"
# Not for people: what the embedded servers and the tests are handed.
_INTERNAL_PREFIXES = (f"{PREFIX}EMBEDDED_", f"{PREFIX}TEST_")
_SECRET_BYTES = 32


class SettingsError(UserError):
    """A setting is wrong or missing: one line that names it and says what would do."""


class Settings(KafkaSettings):
    """The settings of every command. None: taken from a running `up`, where one is found."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=False, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka_prefix: Prefix = Field(
        "",
        description="in front of all topics, subjects, groups and transactional ids, for a Kafka that others use too",
    )
    kafka_session_timeout_ms: int = Field(30_000, ge=1_000, description="after which Kafka gives up a silent worker")
    kafka_transaction_timeout_ms: int = Field(
        15_000, ge=1_000, description="after which Kafka aborts what a silent rater left open"
    )
    schema_registry_url: SecretWebAddress = Field(
        None, description="a Confluent Schema Registry, as http://user:pw@host:port"
    )
    schema_registry_ca_file: CaFile = Field(None, description="as CREDIT_KAFKA_SSL_CA_FILE, for an https:// registry")
    clickhouse_dsn: SecretWebAddress = Field(None, description="ClickHouse, as http://user:password@host:port/database")
    clickhouse_ca_file: CaFile = Field(None, description="as CREDIT_KAFKA_SSL_CA_FILE, for an https:// ClickHouse")
    data_dir: Path = Field(Path(".credit-movements"), description="folder for what a worker keeps on its own disk")

    topic_partitions: int = Field(
        12, ge=1, le=1000, description="`setup` makes each topic kept by account with so many; others ask Kafka"
    )
    topic_replication_factor: int | None = Field(
        None, ge=1, description="copies of each topic that `setup` makes; default: one on each broker, 3 at most"
    )
    default_rate_card: str = Field("default", description="card of an account without a plan; empty: it has no rate")
    event_max_age: Duration = Field(
        timedelta(days=35), description="older events are refused, and ids remembered as long"
    )
    event_max_ahead: Duration = Field(timedelta(hours=1), description="events later than their record are refused")
    max_seconds_quantity: int = Field(72 * 3600, ge=1, description="most seconds that one event may have")
    max_count_quantity: int = Field(10_000, ge=1, description="most fragments or messages that one event may have")
    refund_limit: Literal["off", "movement"] = Field(
        "off",
        description="movement: an adjustment gives back no more than the movement that it names took",
    )
    rater_id: Text = Field(None, description="transactional id of a rater, its own for each; default: host and random")
    rater_batch_size: int = Field(50_000, ge=1, le=1_000_000, description="most events that a rater takes at once")
    dedup_snapshot_url: Text = Field(
        None,
        description="where raters keep snapshots of remembered ids: s3:// and so on, as for CSV files; none: nowhere",
    )
    # The larger the block, the less a row costs ClickHouse: twice as much at 20,000 as at 100,000.
    sink_batch_size: int = Field(100_000, ge=1, le=1_000_000, description="most movements that a sink takes at once")

    movements_retention: Retention = Field(
        None, description="after which ClickHouse loses numbers called and users, never amounts; none: keeps them"
    )

    alert_low_balance: int = Field(
        10, ge=-(10**9), le=10**9, description="in units of the account's currency: below it a balance is low"
    )
    alert_empty_soon_hours: int = Field(
        24,
        ge=0,
        le=168,
        description="a balance that lasts so long at the pace of the last 3 days is soon empty; 0: never",
    )
    alert_unusual_spending: int = Field(
        20, ge=0, le=10**8, description="in units: what is spent in an hour is never unusual below it"
    )
    alert_max_age: Duration = Field(
        timedelta(days=3), le=timedelta(days=30), description="an older alert is not told any more, as at a first start"
    )
    watch_id: Text = Field(None, description="transactional id of a watch, its own for each; default: host and random")

    export_storage_url: Text = Field(
        None, description="where CSV files go: file:///, s3://, gs://, az://; default: data folder"
    )
    export_link_secret: Secret = Field(None, description="at least 32 bytes, signs the download links")
    export_link_secret_previous: Secret = Field(None, description="another such secret: its links work too")
    export_status_token: Secret = Field(
        None,
        description="at least 32 bytes, opens the exporter's pages about an account (/exports/, /spending/, /balance/)",
    )
    export_link_ttl: Duration = Field(timedelta(days=7), description="how long a download link works")
    export_storage_public_endpoint: Text = Field(
        None,
        description="of s3:// or az:// as customers reach it; default: as we do; none: files go through the exporter",
    )
    export_presigned_ttl: Duration = Field(
        timedelta(minutes=5),
        le=timedelta(hours=1),
        description="of the storage's own URL that a click on a link leads to",
    )
    export_give_up_after: Duration = Field(timedelta(minutes=10), description="of an outage, then the export fails")
    export_time_limit: Duration = Field(timedelta(hours=1), description="for writing one file, then the export fails")
    export_concurrency: int = Field(4, ge=1, le=64, description="exports that one worker writes side by side")
    export_provider_name: str = Field(
        "credit-movements",
        min_length=1,
        description="who sells what is charged, as exports of the format focus name it",
    )
    public_url: WebAddress = Field(None, description="what download links begin with, as https://billing.example.com")

    http_host: str = Field("127.0.0.1", description="where the workers' pages listen")
    rater_http_port: Port = Field(18082, description="rater: /healthz /readyz /metrics; 0: any free port")
    sink_http_port: Port = Field(18083, description="sink: /healthz /readyz /metrics; 0: any free port")
    watch_http_port: Port = Field(18085, description="watch: /healthz /readyz /metrics; 0: any free port")
    export_http_port: Port = Field(18080, description="exporter: /downloads /exports /healthz /readyz /metrics")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")

    @property
    def limits_refunds(self) -> bool:
        return self.refund_limit == "movement"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What code gives, then files that hold secrets, then the environment."""
        return init_settings, SecretFiles(settings_cls), env_settings


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def load_settings(data_dir: Path | None = None) -> Settings:
    """The settings of the environment; what it leaves open comes from the `up` that runs with the data folder, if any.

    Raises SettingsError.
    """
    _refuse_unknown(os.environ)
    given = {} if data_dir is None else {"data_dir": data_dir}
    settings = _validated(given)
    found = running_up(settings.data_dir)
    fields = {field: found[variable(field)] for field in Settings.model_fields if variable(field) in found}
    settings = _validated({**{field: text for field, text in fields.items() if not _is_in_environment(field)}, **given})
    for field in ("export_link_secret", "export_link_secret_previous", "export_status_token"):
        _check_secret(settings, field)
    return settings


def _is_in_environment(field: str) -> bool:
    return variable(field) in os.environ or bool(os.environ.get(variable(field) + SUFFIX))


def secret_file_variables() -> list[str]:
    """The variables that name files with secrets, one for each secret."""
    return [variable(name) + SUFFIX for name, field in Settings.model_fields.items() if is_secret(field)]


def settings_of(variables: Mapping[str, str]) -> Settings:
    """The settings that these variables give; the process's own environment says what they leave open."""
    return _validated({name.removeprefix(PREFIX).lower(): text for name, text in variables.items()})


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {*map(variable, Settings.model_fields), *secret_file_variables()}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known and not name.startswith(_INTERNAL_PREFIXES):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "`credit-movements --help` lists all."
            raise SettingsError(f"{name}: there is no such setting; {hint}")


def _validated(given: Mapping[str, Any]) -> Settings:
    try:
        return Settings(**given)
    except SourceError as error:
        raise SettingsError(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        if not first["loc"]:
            raise SettingsError(_plain(first["msg"])) from None
        name = variable(str(first["loc"][0]))
        described = Settings.model_fields[str(first["loc"][0])].description
        is_duration = first["type"].startswith("time_delta")
        why = "no duration, as P7D, PT10M or 600 (seconds)" if is_duration else _plain(first["msg"])
        raise SettingsError(f"{name}: {why} ({described})") from None


def required(settings: Settings, field: str) -> str:
    """The text of a setting that the command cannot do without. Raises SettingsError."""
    value = getattr(settings, field)
    if value is None:
        raise SettingsError(
            f"{variable(field)} is not set and no running `credit-movements up` was found in {settings.data_dir}:"
            f" set it ({Settings.model_fields[field].description}), or start `credit-movements up`"
        )
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def described_settings() -> Iterator[tuple[str, str, str]]:
    """(variable, default, meaning) of every setting."""
    for name, field in Settings.model_fields.items():
        yield variable(name), _default(field), field.description or ""


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True)
    if isinstance(value, timedelta):
        return f"P{value.days}D" if value.seconds == 0 else f"PT{int(value.total_seconds()) // 60}M"
    return "" if value is None or is_secret(field) else str(value)


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


def _check_secret(settings: Settings, field: str) -> None:
    secret: SecretStr | None = getattr(settings, field)
    if secret is not None and len(secret.get_secret_value().encode()) < _SECRET_BYTES:
        raise SettingsError(f"{variable(field)}: shorter than {_SECRET_BYTES} bytes; `openssl rand -hex 32` makes one")
