"""A manifest read back: its form, its own sums, and whether it is as it was written."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from credit_movements.verify.amounts import nanos_of, text_of
from credit_movements.verify.findings import Findings
from credit_movements.verify.texts import guarded
from kafka_io.errors import UserError

_MOST_BYTES: Final = 16 * 1024 * 1024
_DAYS: Final = timedelta(days=30)
_MOST_MONTHS: Final = 13
_SUFFIXES: Final = {"csv": ".csv", "xlsx": ".xlsx", "parquet": ".parquet", "focus": ".focus.csv"}
_TEXT: Final = ("csv", "focus")
_DECIMAL_MARKS: Final = {",": ".", ";": ",", None: None}
_OF_VERSION_3: Final = frozenset({"format", "columns", "descriptions", "period_is_chosen", "left_out"})


class NoManifestError(UserError):
    """There is no manifest to check the file against: one line that says why."""


def _nanos(value: Any) -> int:
    nanos = nanos_of(value) if isinstance(value, str) else None
    if nanos is None:
        raise ValueError("not a text of a plain decimal")
    return nanos


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("not a time zone that this machine knows") from error
    return name


Nanos = Annotated[int, BeforeValidator(_nanos)]
Count = Annotated[int, Field(ge=0, strict=True)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KindTotal(_Part):
    description: str
    unit: str
    row_count: Count
    units_charged: Count
    credit_movement: Nanos


class CardTotal(_Part):
    rate_card_id: str | None
    currency: str
    row_count: Count
    credit_movement: Nanos


class LedgerPosition(_Part):
    log_id: str
    partition: Count
    end_offset: Count


class LeftOut(_Part):
    """Movements of the period that the file does not show."""

    row_count: Count
    credit_movement: Nanos


_NOTHING: Final = LeftOut.model_validate({"row_count": 0, "credit_movement": "0"})


class Manifest(_Part):
    """Amounts are nanos. Version 1 has no `adjustments`: what there was of them it told among the top-ups. Version 3 is of
    other files than the default one; what its fields say of the default one is their default here."""

    manifest_version: Literal[1, 2, 3]
    export_id: str
    account_id: str
    file_name: str
    size_bytes: Count
    sha256: Sha256
    csv_encoding: Literal["utf-8", "utf-8-sig"] | None
    csv_separator: Literal[",", ";"] | None
    decimal_mark: Literal[".", ","] | None
    compression: Literal["gzip"] | None
    period_from: AwareDatetime
    period_to: AwareDatetime
    time_zone: Annotated[str, AfterValidator(_zone)]
    data_complete_until: AwareDatetime | None
    row_count: Count
    opening_balance: Nanos
    charges: Nanos
    top_ups: Nanos
    adjustments: Nanos = 0
    closing_balance: Nanos
    by_description: list[KindTotal]
    rate_cards: list[CardTotal]
    ledger_position: LedgerPosition
    format: Literal["csv", "xlsx", "parquet", "focus"] = "csv"
    columns: Literal["detailed"] | None = None
    descriptions: list[str] | None = None
    period_is_chosen: bool = False
    left_out: LeftOut = _NOTHING
    manifest_sha256: Sha256

    @model_validator(mode="after")
    def _has_what_its_version_has(self) -> "Manifest":
        if ("adjustments" in self.model_fields_set) != (self.manifest_version > 1):
            raise ValueError("`adjustments` goes with version 2")
        there = _OF_VERSION_3 & self.model_fields_set
        if there != (_OF_VERSION_3 if self.manifest_version == 3 else set()):
            raise ValueError("`format` and what goes with it are of version 3, and of no other")
        of_text = (self.csv_encoding, self.csv_separator, self.decimal_mark)
        if any((each is None) == (self.format in _TEXT) for each in of_text):
            raise ValueError(
                "`csv_encoding`, `csv_separator` and `decimal_mark` go with csv and focus, and with no other"
            )
        return self

    @property
    def moved(self) -> int:
        """All that the movements of the file add up to."""
        return self.charges + self.top_ups + self.adjustments


def read_manifest(path: Path, findings: Findings, hint: str = "") -> Manifest:
    """Raises NoManifestError, with the `hint`, where it cannot be read. Everything else that is wrong with it is a finding."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise NoManifestError(f"{path}: too large to be a manifest")
        value = json.loads(path.read_bytes())
        manifest = Manifest.model_validate(value)
    except OSError as error:
        raise NoManifestError(f"{path}: {error.strerror}{hint}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{each}: " for each in first["loc"])
        raise NoManifestError(f"{path}: not a manifest of version 1, 2 or 3: {where}{first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise NoManifestError(f"{path}: not JSON: {error}") from error
    if value.pop("manifest_sha256") != _seal(value):
        findings.add("manifest: it is not as it was written: manifest_sha256 is not that of its other fields")
    _check_itself(manifest, findings)
    return manifest


def _seal(value: dict[str, Any]) -> str:
    bare = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(bare.encode(errors="surrogatepass")).hexdigest()


def _check_itself(manifest: Manifest, findings: Findings) -> None:
    closing = manifest.opening_balance + manifest.moved + manifest.left_out.credit_movement
    if closing != manifest.closing_balance:
        findings.add(
            f"manifest: opening balance {text_of(manifest.opening_balance)}, charges {text_of(manifest.charges)},"
            f" top-ups {text_of(manifest.top_ups)} and adjustments {text_of(manifest.adjustments)}, with"
            f" {text_of(manifest.left_out.credit_movement)} that is left out, make {text_of(closing)},"
            f" not the closing balance {text_of(manifest.closing_balance)}"
        )
    for name, parts in (("by_description", manifest.by_description), ("rate_cards", manifest.rate_cards)):
        rows, nanos = sum(each.row_count for each in parts), sum(each.credit_movement for each in parts)
        if (rows, nanos) != (manifest.row_count, manifest.moved):
            findings.add(f"manifest: {name} adds up to {rows} movements and {text_of(nanos)}, which its totals do not")
    wanted = manifest.descriptions
    shown = set(map(guarded if manifest.format in _TEXT else str, wanted or ()))
    for each in manifest.by_description:
        if wanted is not None and each.description not in shown:
            findings.add(f"manifest: {each.description!r} is none of the descriptions that were asked for")
    if wanted is None and manifest.format != "focus" and manifest.left_out.row_count:
        findings.add(f"manifest: {manifest.left_out.row_count} movements are left out, and nobody asked for that")
    _check_period(manifest, findings)


def _check_period(manifest: Manifest, findings: Findings) -> None:
    zone = ZoneInfo(manifest.time_zone)
    before = (manifest.period_from - timedelta(microseconds=1)).astimezone(zone).date()
    first, last = (at.astimezone(zone).date() for at in (manifest.period_from, manifest.period_to))
    if manifest.period_is_chosen:
        if not manifest.period_from < manifest.period_to or _is_too_long(manifest, zone):
            findings.add(f"manifest: the period is not one of at most {_MOST_MONTHS} months")
    elif not before < last - _DAYS <= first or manifest.period_from > manifest.period_to:
        findings.add(f"manifest: the period does not begin with the local date {last - _DAYS}, 30 days before its last")
    if manifest.decimal_mark != _DECIMAL_MARKS[manifest.csv_separator]:
        findings.add(f"manifest: {manifest.csv_separator!r} does not go with decimal mark {manifest.decimal_mark!r}")
    name = _name(first, last) + _SUFFIXES[manifest.format] + (".gz" if manifest.compression else "")
    if manifest.file_name != name:
        findings.add(f"manifest: the file of this period is called {name}, not {manifest.file_name}")
    complete_until = manifest.data_complete_until
    if complete_until is not None and complete_until < datetime(1970, 1, 1, tzinfo=UTC):
        findings.add("manifest: data_complete_until lies before all records")


def _name(first: date, last: date) -> str:
    return f"credit-movements_{first}_{last}"


def _is_too_long(manifest: Manifest, zone: ZoneInfo) -> bool:
    """Whether the local day and time of its end lie behind those of its beginning 13 months on."""
    begin, end = (at.astimezone(zone).replace(tzinfo=None) for at in (manifest.period_from, manifest.period_to))
    months = (end.year - begin.year) * 12 + end.month - begin.month
    if months != _MOST_MONTHS:
        return months > _MOST_MONTHS
    # The 31st has the last day of a shorter month for the same day.
    is_last_day = (end + timedelta(days=1)).month != end.month
    day = min(begin.day, end.day) if is_last_day else begin.day
    return (end.day, end.time()) > (day, begin.time())
