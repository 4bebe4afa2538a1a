"""The page behind a link: GET and HEAD `/downloads/<token>/<file name>`. The token is a key to the file: never log it.

A request cannot name an object. The page reads the object in the signed token, which must be a file of the account and export
in the same token. It sends a file on disk itself. For a file in a cloud it redirects each click to a URL of the storage, which
is signed at that moment and works for some minutes. So a link works as long as we promised, however short-lived the storage's
own credentials are.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from exporter.file.headers import file_headers
from exporter.storage.keys import ExportKeys
from exporter.storage.links import Link, LinkRefusal, LinkSigner
from exporter.storage.objects import ExportStorage, FoundFile, StorageUnavailableError
from exporter.storage.records import ExportRecords
from exporter.threads import in_thread
from exporter.web.conditions import UnsatisfiableRangeError, asked_part, unmet_precondition

logger = logging.getLogger(__name__)

# A reader who takes less than a slice in so long is gone, or holds the connection on purpose.
_SLICE_BYTES = 256 * 1024
_SLICE_SECONDS = 60.0
_STATUS_OF = {LinkRefusal.ALTERED: 403, LinkRefusal.EXPIRED: 410}
_GONE = "This file does not exist. Please export again."
_DELETED = "This file has been deleted. Please export again."
_TRY_LATER = "The file cannot be read at the moment. Please try again later."


@dataclass(frozen=True)
class _Elsewhere:
    """A URL of the storage that gives the file for some minutes."""

    url: str


class DownloadPage:
    """`now_micros`: microseconds since the epoch, UTC. `presigned_ttl`: how long the URLs of the storage work to which clicks
    are redirected. A reader has `slice_seconds` for each 256 KiB."""

    def __init__(
        self,
        storage: ExportStorage,
        links: LinkSigner,
        now_micros: Callable[[], int],
        presigned_ttl: timedelta,
        slice_seconds: float = _SLICE_SECONDS,
    ) -> None:
        self._storage = storage
        self._records = ExportRecords(storage)
        self._links = links
        self._now_micros = now_micros
        self._presigned_ttl = presigned_ttl
        self._slice_seconds = slice_seconds

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """200, 206 or 304 as RFC 9110 has them, or 302 to the storage; 403 a link that was altered, 404 no file, 410 expired or
        deleted, 412 and 416 as in the RFC, 503 storage."""
        # The path exactly as it came: a link that was spelled in another way, or got a query, is an altered link.
        link = self._links.verify(request.raw_path, self._now_micros())
        if isinstance(link, LinkRefusal):
            return _text(_STATUS_OF[link], link.value)
        keys = ExportKeys.of(link.account_id, link.export_id)
        # We signed it, so another object would be a bug of ours, and still nobody may read it.
        assert keys.owns(link.object_key), f"a link of export {link.export_id} names a file of another"
        try:
            found = await in_thread(self._found, request.method, link, keys)
            response = await self._answer(request, link, found)
        except StorageUnavailableError as error:
            logger.warning("a download of export %s is refused: %s", link.export_id, error)
            return _text(503, _TRY_LATER)
        logger.info(
            "download of export %s of account %r: %s %d",
            link.export_id,
            link.account_id,
            request.method,
            response.status,
        )
        return response

    def _found(self, method: str, link: Link, keys: ExportKeys) -> FoundFile | _Elsewhere | web.Response:
        if self._records.files_are_deleted(keys):
            return _text(410, _DELETED)
        file = self._storage.find(link.object_key)
        if file is None:
            return _text(404, _GONE)
        url = self._storage.presigned_url("HEAD" if method == "HEAD" else "GET", link.object_key, self._presigned_ttl)
        return file if url is None else _Elsewhere(url)

    async def _answer(
        self, request: web.Request, link: Link, found: FoundFile | _Elsewhere | web.Response
    ) -> web.StreamResponse:
        if isinstance(found, _Elsewhere):
            return web.Response(status=302, headers={"Location": found.url})
        return await self._file(request, link, found) if isinstance(found, FoundFile) else found

    async def _file(self, request: web.Request, link: Link, file: FoundFile) -> web.StreamResponse:
        headers = {**file_headers(link.file_name), "Accept-Ranges": "bytes"}
        if file.etag is not None:
            headers["ETag"] = file.etag
            if (status := unmet_precondition(request, file.etag)) is not None:
                return web.Response(status=status, headers={"ETag": file.etag})
        try:
            part = asked_part(request, file.etag, file.size_bytes)
        except UnsatisfiableRangeError:
            return _text(416, "The file has no such part.", {"Content-Range": f"bytes */{file.size_bytes}"})
        start, end = part or (0, file.size_bytes)
        response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
        response.content_length = end - start
        if part is not None:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        return await self._send(request, response, link.object_key, start, end)

    async def _send(
        self, request: web.Request, response: web.StreamResponse, key: str, start: int, end: int
    ) -> web.StreamResponse:
        pieces = self._storage.read_range(key, start, end)
        # Read the first piece before sending the status line: if the file cannot be read at all, the answer says so.
        piece = await anext(pieces, b"")
        await response.prepare(request)
        try:
            await self._write(response, piece)
            async for piece in pieces:
                await self._write(response, piece)
            async with asyncio.timeout(self._slice_seconds):
                await response.write_eof()
        except TimeoutError:
            logger.warning(
                "a download broke off: its reader took less than %d KiB in %g s",
                _SLICE_BYTES // 1024,
                self._slice_seconds,
            )
            _break_off(request)
        except StorageUnavailableError as error:
            logger.warning("a download broke off: %s", error)
            _break_off(request)
        except ConnectionError:
            logger.info("a download was broken off by the reader")
        return response

    async def _write(self, response: web.StreamResponse, piece: bytes) -> None:
        for begin in range(0, len(piece), _SLICE_BYTES):
            async with asyncio.timeout(self._slice_seconds):
                await response.write(memoryview(piece)[begin : begin + _SLICE_BYTES])


def _break_off(request: web.Request) -> None:
    """Close the connection: the reader notices that it got fewer bytes than announced."""
    if request.transport is not None:
        request.transport.abort()


def _text(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers=headers)
