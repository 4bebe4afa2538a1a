"""The page behind a link: GET and HEAD `/downloads/<token>/<file name>`. The token is a key to the file: never log it."""

import logging
from collections.abc import Callable

from aiohttp import web

from exporter.byte_range import UnsatisfiableRangeError, byte_range
from exporter.links import Link, LinkRefusal, LinkSigner
from exporter.storage import ExportStorage, StorageUnavailableError
from exporter.threads import in_thread

logger = logging.getLogger(__name__)

_ALWAYS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_CONTENT_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".csv.gz": "application/gzip",
    ".json": "application/json",
}
_STATUS_OF = {LinkRefusal.ALTERED: 403, LinkRefusal.EXPIRED: 410}
_GONE = "This file does not exist. Please export again."
_TRY_LATER = "The file cannot be read at the moment. Please try again later."


class DownloadPage:
    """`now_micros` is the time of day: microseconds since the epoch, UTC."""

    def __init__(self, storage: ExportStorage, links: LinkSigner, now_micros: Callable[[], int]) -> None:
        self._storage = storage
        self._links = links
        self._now_micros = now_micros

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """200 or 206 with the file; 403 a link that was altered, 404 no file, 410 expired, 416 no such range, 503 storage."""
        # As it came over the wire: a link that was re-spelled, or got a query, is an altered link.
        link = self._links.verify(request.raw_path, self._now_micros())
        if isinstance(link, LinkRefusal):
            return _text(_STATUS_OF[link], link.value)
        try:
            size_bytes = await in_thread(self._storage.size_bytes, link.object_key)
            if size_bytes is None:
                return _text(404, _GONE)
            return await self._file(request, link, size_bytes)
        except StorageUnavailableError as error:
            logger.warning("a download was refused: %s", error)
            return _text(503, _TRY_LATER)

    async def _file(self, request: web.Request, link: Link, size_bytes: int) -> web.StreamResponse:
        try:
            part = byte_range(request.headers.get("Range"), size_bytes) if "If-Range" not in request.headers else None
        except UnsatisfiableRangeError:
            return _text(416, "The file has no such part.", {"Content-Range": f"bytes */{size_bytes}"})
        start, end = part or (0, size_bytes)
        response = web.StreamResponse(status=200 if part is None else 206, headers=_file_headers(link))
        response.content_length = end - start
        if part is not None:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        return await self._send(request, response, link.object_key, start, end)

    async def _send(
        self, request: web.Request, response: web.StreamResponse, key: str, start: int, end: int
    ) -> web.StreamResponse:
        pieces = self._storage.read_range(key, start, end)
        # The first piece before the status line: what cannot be read at all gets an answer that says so.
        piece = await anext(pieces, b"")
        await response.prepare(request)
        try:
            await response.write(piece)
            async for piece in pieces:
                await response.write(piece)
        except StorageUnavailableError as error:
            logger.warning("a download broke off: %s", error)
            _break_off(request)
        except ConnectionError:
            logger.info("a download was broken off by the reader")
        return response


def _break_off(request: web.Request) -> None:
    """Close the connection in the middle: the reader sees that it did not get all that was announced."""
    if request.transport is not None:
        request.transport.abort()


def _file_headers(link: Link) -> dict[str, str]:
    return {
        **_ALWAYS,
        "Content-Type": content_type(link.file_name),
        "Content-Disposition": f'attachment; filename="{link.file_name}"',
        "Accept-Ranges": "bytes",
    }


def content_type(file_name: str) -> str:
    """Of a file by its name. A .csv.gz is a gzip file, not a CSV on a gzipped way: nobody is to unpack it in passing."""
    return next(told for suffix, told in _CONTENT_TYPES.items() if file_name.endswith(suffix))


def _text(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers={**_ALWAYS, **(headers or {})})
