"""A request's body as a file."""

import gzip
import io
from email.message import Message

import pyarrow as pa
import pytest

from credit_movements.embedded.http_body import BodyEndedEarlyError, UnreadableBodyError, decompressed, request_body


def headers(**fields: str) -> Message:
    message = Message()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return message


def body(sent: bytes, **fields: str) -> io.BufferedReader:
    return request_body(headers(**fields), io.BufferedReader(io.BytesIO(sent)))


def test_a_body_has_the_length_it_says() -> None:
    assert body(b"12345next request", Content_Length="5").read() == b"12345"


def test_without_a_length_there_is_none() -> None:
    assert body(b"next request").read() == b""


def test_chunks_are_put_together() -> None:
    sent = b"3\r\nabc\r\n2;note=x\r\nde\r\n0\r\nTrailer: x\r\n\r\nnext request"
    connection = io.BufferedReader(io.BytesIO(sent))
    assert request_body(headers(Transfer_Encoding="chunked"), connection).read() == b"abcde"
    assert connection.read() == b"next request"


@pytest.mark.parametrize("sent", [b"", b"3\r\nab", b"3\r\nabc\r\n", b"3\r\nabc\r\n0\r\n"])
def test_a_body_that_breaks_off_is_noticed(sent: bytes) -> None:
    with pytest.raises(BodyEndedEarlyError):
        body(sent, Transfer_Encoding="chunked").read()
    with pytest.raises(BodyEndedEarlyError):
        body(sent, Content_Length="100").read()


def test_what_http_does_not_know_is_refused() -> None:
    with pytest.raises(UnreadableBodyError):
        body(b"xyz\r\n", Transfer_Encoding="chunked").read()
    with pytest.raises(UnreadableBodyError):
        body(b"", Content_Length="-1")


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_compressed_body_is_read_piece_by_piece(codec: str) -> None:
    text = b"a line of text\n" * 100_000
    compressed = gzip.compress(text) if codec == "gzip" else pa.compress(text, codec, asbytes=True)
    content = decompressed(body(compressed, Content_Length=str(len(compressed))), codec)
    assert content.read(5) == text[:5]
    assert content.read() == text[5:]


def test_a_broken_compressed_body_is_noticed() -> None:
    for codec in ("gzip", "lz4", "zstd"):
        with pytest.raises(UnreadableBodyError):
            decompressed(body(b"not compressed", Content_Length="14"), codec).read()


def test_a_compressed_body_that_breaks_off_is_noticed() -> None:
    compressed = gzip.compress(bytes(range(256)) * 1000)
    with pytest.raises(BodyEndedEarlyError):
        decompressed(body(compressed[:100], Content_Length=str(len(compressed))), "gzip").read()


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(UnreadableBodyError, match="Content-Encoding: snappy"):
        decompressed(body(b""), "snappy")
