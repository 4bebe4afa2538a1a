"""The HTTP headers of a file: its type, its name, and that no copy may be kept. Pure.

A cloud stores them with the object, so that a URL of the storage answers as our own page does.
"""

import string
from urllib.parse import quote

_PLAIN = frozenset(string.ascii_letters + string.digits + "-_.")
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# A .csv.gz is a gzip file, not a CSV with a content encoding: a browser must not unpack it.
_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".xlsx": _SHEET,
    ".parquet": "application/vnd.apache.parquet",
    ".gz": "application/gzip",
}
_UNKNOWN_TYPE = "application/octet-stream"


def file_headers(file_name: str) -> dict[str, str]:
    """The headers that belong to the file itself, whoever sends it."""
    suffix = next((suffix for suffix in _TYPES if file_name.endswith(suffix)), "")
    return {
        "Content-Type": _TYPES.get(suffix, _UNKNOWN_TYPE),
        "Content-Disposition": content_disposition(file_name),
        "Cache-Control": "private, no-store",
    }


def content_disposition(file_name: str) -> str:
    """`attachment` with the file's name, by RFC 6266: where it is not plain ASCII, once for old readers and once exactly."""
    for_old_readers = "".join(each if each in _PLAIN else "_" for each in file_name)
    plain = f'attachment; filename="{for_old_readers}"'
    return plain if for_old_readers == file_name else f"{plain}; filename*=UTF-8''{quote(file_name, safe='')}"
