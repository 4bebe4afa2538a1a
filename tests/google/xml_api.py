"""What of Google's XML API the emulator does not have, said to it in Google's JSON API.

Writing, creating on condition and listing are one request there for one here. Uploads in parts are none: the parts wait here,
and the emulator gets the whole object when the upload is completed.
"""

import http.client
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode
from xml.etree import ElementTree as Xml

_METADATA = {
    "content-type": "contentType",
    "cache-control": "cacheControl",
    "content-disposition": "contentDisposition",
}
# Of one connection, and made anew by who sends.
_OF_THE_CONNECTION = {"host", "connection", "authorization", "transfer-encoding", "date", "server"}
_ONLY_IF_GENERATION = "x-goog-if-generation-match"
_QUERIES = {"partNumber", "uploadId", "uploads"}


@dataclass(frozen=True)
class Request:
    """`target` is path and query as they came; `headers` have names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def bucket_and_key(self) -> tuple[str, str]:
        bucket, _, key = self.target.partition("?")[0].lstrip("/").partition("/")
        return unquote(bucket), unquote(key)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class _Upload:
    headers: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


class XmlApi:
    """Answers requests from the emulator on a port of this machine. To be asked by several threads."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._uploads: dict[str, _Upload] = {}

    @property
    def unfinished_uploads(self) -> int:
        """How many uploads in parts were begun, and neither completed nor given up: at Google their parts cost money."""
        return len(self._uploads)

    def answer(self, request: Request) -> Answer:
        _, key = request.bucket_and_key
        if not key and request.method == "GET":
            return self._list(request)
        if _QUERIES & set(request.query):
            return self._part(request)
        if request.method == "PUT":
            return self._put(request, request.headers, request.body)
        return self._ask(request)

    def _list(self, request: Request) -> Answer:
        asked = request.query
        names = {
            "prefix": "prefix",
            "delimiter": "delimiter",
            "max-keys": "maxResults",
            "continuation-token": "pageToken",
        }
        query = {json_name: asked[name] for name, json_name in names.items() if name in asked}
        if "start-after" in asked:
            # There a listing begins at a name, here behind it: this is the next possible one.
            query["startOffset"] = asked["start-after"] + "\0"
        bucket, _ = request.bucket_and_key
        answer = self._ask(Request("GET", f"/storage/v1/b/{bucket}/o?{urlencode(query)}", {}))
        if answer.status != 200:
            return answer
        listed = json.loads(answer.body)
        root = Xml.Element("ListBucketResult")
        for each in listed.get("items", []):
            texts = {
                "Key": each["name"],
                "LastModified": each["updated"],
                "ETag": f'"{each["etag"]}"',
                "Size": each["size"],
            }
            _fill(Xml.SubElement(root, "Contents"), texts)
        for prefix in listed.get("prefixes", []):
            _fill(Xml.SubElement(root, "CommonPrefixes"), {"Prefix": prefix})
        if token := listed.get("nextPageToken"):
            _fill(root, {"NextContinuationToken": token})
        return _xml(root)

    def _put(self, request: Request, headers: dict[str, str], body: bytes) -> Answer:
        bucket, key = request.bucket_and_key
        query = {"uploadType": "multipart", "name": key}
        if _ONLY_IF_GENERATION in headers:
            query["ifGenerationMatch"] = headers[_ONLY_IF_GENERATION]
        metadata = {name: headers[header] for header, name in _METADATA.items() if header in headers}
        boundary = uuid.uuid4().hex.encode()
        content_type = headers.get("content-type", "application/octet-stream").encode()
        parts = (
            b"Content-Type: application/json; charset=UTF-8\r\n\r\n" + json.dumps(metadata).encode(),
            b"Content-Type: " + content_type + b"\r\n\r\n" + body,
        )
        related = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
        target = f"/upload/storage/v1/b/{bucket}/o?{urlencode(query)}"
        answer = self._ask(
            Request("POST", target, {"content-type": f"multipart/related; boundary={boundary.decode()}"}, related)
        )
        if answer.status != 200:
            return answer
        stored = json.loads(answer.body)
        return Answer(200, {"ETag": f'"{stored["etag"]}"', "x-goog-generation": str(stored["generation"])})

    def _part(self, request: Request) -> Answer:
        """A step of an upload in parts."""
        query = request.query
        if "uploads" in query:
            upload_id = uuid.uuid4().hex
            self._uploads[upload_id] = _Upload(request.headers)
            root = Xml.Element("InitiateMultipartUploadResult")
            _fill(root, {"UploadId": upload_id})
            return _xml(root)
        upload = self._uploads.get(query["uploadId"])
        if upload is None:
            return Answer(404, {}, b"<Error><Code>NoSuchUpload</Code></Error>")
        if request.method == "PUT":
            number = int(query["partNumber"])
            upload.parts[number] = request.body
            return Answer(200, {"ETag": f'"{number}"', "x-goog-generation": "0"})
        del self._uploads[query["uploadId"]]
        if request.method == "DELETE":
            return Answer(204)
        numbers = [int(str(part.findtext("PartNumber"))) for part in Xml.fromstring(request.body)]
        answer = self._put(request, upload.headers, b"".join(upload.parts[number] for number in numbers))
        if answer.status != 200:
            return answer
        root = Xml.Element("CompleteMultipartUploadResult")
        _fill(root, {"ETag": answer.headers["ETag"]})
        return Answer(200, answer.headers, _xml(root).body)

    def _ask(self, request: Request) -> Answer:
        """The emulator's own answer."""
        headers = {name: text for name, text in request.headers.items() if name not in _OF_THE_CONNECTION}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(request.method, request.target, request.body or None, headers)
            answer = connection.getresponse()
            kept = {name: text for name, text in answer.getheaders() if name.lower() not in _OF_THE_CONNECTION}
            return Answer(answer.status, kept, answer.read())
        finally:
            connection.close()


def _fill(element: Xml.Element, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        Xml.SubElement(element, name).text = text


def _xml(root: Xml.Element) -> Answer:
    return Answer(
        200, {"Content-Type": "application/xml; charset=UTF-8"}, Xml.tostring(root, "utf-8", xml_declaration=True)
    )
