"""For what file an export is asked, and the check of that before anything is sent."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from exporter.request.csv_options import UnknownOption
from exporter.request.file_options import AskedFile
from exporter.request.repeats import asked_digest
from exporter.request.window import BadPeriod, asked_period
from kafka_io.errors import UserError


class BadOptionError(UserError):
    """No file can be made of what was asked for."""


def check_asked(asked: Mapping[str, Any], time_zone: str | None, now_micros: int) -> None:
    """`asked`: fields of ExportRequest. A time zone is left to the exporter, whose zones count. Raises BadOptionError."""
    options = _file(asked).options()
    if isinstance(options, UnknownOption):
        option = f"--{options.name.replace('_', '-')} {asked[options.name]}"
        wanted = asked.get("format")
        with_it = f", or does not go with --format {wanted}" if wanted is not None and options.name != "format" else ""
        raise BadOptionError(f"{option}: there is no such choice{with_it}; request-export --help says what there is")
    if isinstance(asked_period(now_micros, time_zone, asked.get("period_from"), asked.get("period_to")), BadPeriod):
        raise BadOptionError(
            "--period-from, --period-to: a period begins before it ends, and before now, and has at most 13 months"
        )


def digest_of(asked: Mapping[str, Any]) -> str:
    """See `asked_digest`; of a whole ExportRequest."""
    return asked_digest(_file(asked), asked.get("time_zone"), asked.get("period_from"), asked.get("period_to"))


def _file(asked: Mapping[str, Any]) -> AskedFile:
    return AskedFile(**{each.name: asked.get(each.name) for each in fields(AskedFile)})
