"""What a person sees while `request-export --wait` waits: a line that changes on a terminal, else a line now and then."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.status import Status

from credit_movements.settings import Settings
from exporter.request.window import known_time_zones

_ANSWER_SECONDS = 2.0
_ASK_EVERY_SECONDS = 1.0
_LINE_EVERY_SECONDS = 10.0
BEING_PROCESSED = "An export is already being processed: waiting for that one."


def export_state(settings: Settings, account_id: str) -> dict[str, Any] | None:
    """What the exporter says of the account's last export; None where it may not be asked, or does not answer."""
    if settings.export_status_token is None:
        return None
    base = settings.public_url or f"http://{settings.http_host}:{settings.export_http_port}"
    token = settings.export_status_token.get_secret_value()
    page = urllib.request.Request(
        f"{base.rstrip('/')}/exports/{quote(account_id, safe='')}", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(page, timeout=_ANSWER_SECONDS) as answer:
            state: dict[str, Any] = json.load(answer)
    except (OSError, ValueError):
        return None
    return state


class ExportProgress:
    """Shows how an export is doing; `wait` is the callback of `request_and_wait`."""

    def __init__(self, settings: Settings, account_id: str, console: Console, status: Status | None) -> None:
        self._settings = settings
        self._account_id = account_id
        self._console = console
        self._status = status
        self._doing = "requested"
        self._ask_at_seconds = 0.0
        self._line_at_seconds = 0.0
        self._told = ""

    def wait(self, waited_seconds: float) -> None:
        if waited_seconds >= self._ask_at_seconds:
            self._ask_at_seconds = waited_seconds + _ASK_EVERY_SECONDS
            self._doing = _doing(export_state(self._settings, self._account_id)) or self._doing
        if self._status is not None:
            self._status.update(f"Export {self._doing} … {waited_seconds:.0f} s")
        elif self._doing != self._told or waited_seconds >= self._line_at_seconds:
            self._told = self._doing
            self._line_at_seconds = waited_seconds + _LINE_EVERY_SECONDS
            self._console.print(f"Export {self._doing}, {waited_seconds:.0f} s", highlight=False)


@contextmanager
def export_progress(settings: Settings, account_id: str, console: Console) -> Iterator[ExportProgress]:
    """The progress of the export that is requested next. Says at once if an export is being made already."""
    state = export_state(settings, account_id)
    if state is not None and state["state"] in {"waiting", "running"}:
        console.print(BEING_PROCESSED)
    if console.is_terminal:
        with console.status("Export requested …") as status:
            yield ExportProgress(settings, account_id, console, status)
    else:
        yield ExportProgress(settings, account_id, console, None)


def _doing(state: dict[str, Any] | None) -> str | None:
    if state is None or state["state"] not in {"waiting", "running"}:
        return None
    rows = state["rows_written"]
    return f"{state['state']}, {rows:,} rows written" if rows else str(state["state"])


def show_outcome(notification: dict[str, Any], console: Console) -> None:
    """The file of a completed export, line by line."""
    name = notification["time_zone"] or "UTC"
    zone = ZoneInfo(name if name in known_time_zones() else "UTC")

    def minute(micros: int) -> str:
        return f"{datetime.fromtimestamp(micros // 10**6, zone):%Y-%m-%d %H:%M}"

    complete_until = notification["data_complete_until"]
    lines = {
        "Export": notification["export_id"],
        "File": notification["file_name"],
        "Period": f"{minute(notification['period_from'])} to {minute(notification['period_to'])} ({zone.key})",
        "Rows": f"{notification['row_count']:,} movements",
        "Complete to": "not known" if complete_until is None else f"{minute(complete_until)} ({zone.key})",
        "Size": f"{notification['size_bytes']:,} bytes",
        "Works until": f"{minute(notification['expires_at'])} ({zone.key})",
        "Link": notification["download_url"],
        "Manifest": notification["manifest_url"],
    }
    for label, value in lines.items():
        console.print(f"{label + ':':13}{value}", soft_wrap=True, highlight=False, markup=False)
