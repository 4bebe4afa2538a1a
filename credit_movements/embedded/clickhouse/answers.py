"""What ClickHouse says around a result: headers, the summary, and how a result that breaks off ends."""

import json
import uuid

from credit_movements.embedded.clickhouse.engine import Statistics
from credit_movements.embedded.clickhouse.errors import ClickHouseError
from credit_movements.embedded.clickhouse.request import Request

_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8",
    "JSON": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "ArrowStream": "application/vnd.apache.arrow.stream",
}


def result_headers(request: Request, result_format: str, time_zone: str) -> dict[str, str]:
    return {
        "Content-Type": _CONTENT_TYPES.get(result_format, "application/octet-stream"),
        "X-ClickHouse-Query-Id": request.query_id or str(uuid.uuid4()),
        "X-ClickHouse-Format": result_format,
        "X-ClickHouse-Timezone": time_zone,
    }


def summary(statistics: Statistics, elapsed_nanos: int) -> str:
    """The header X-ClickHouse-Summary."""
    return json.dumps(
        {
            "read_rows": str(statistics.read_rows),
            "read_bytes": str(statistics.read_bytes),
            "written_rows": str(statistics.written_rows),
            "written_bytes": str(statistics.written_bytes),
            "total_rows_to_read": "0",
            "result_rows": str(statistics.result_rows or statistics.written_rows),
            "elapsed_ns": str(elapsed_nanos),
        }
    )


def exception_block(error: ClickHouseError, tag: str) -> bytes:
    """How ClickHouse, since 25.11, ends a result that broke off."""
    text = error.text.encode()
    return b"\r\n__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n" % (tag.encode(), text, len(text), tag.encode())
