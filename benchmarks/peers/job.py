"""What each peer is told, and how it reads and writes a message: Confluent's wire format and Avro, by fastavro."""

import io
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from benchmarks.peers.rating import Rating

SOURCE = "usage-events"
_HEADER_BYTES = 5


class Job:
    """`python -m benchmarks.peers.PEER BOOTSTRAP REGISTRY DECK PLANS TARGET`: rate what SOURCE has and gets, into TARGET."""

    def __init__(self) -> None:
        self.bootstrap, registry, deck, plans, self.target = sys.argv[1:]
        self._rating = Rating(Path(deck), Path(plans))
        _, self._event = _registered(registry, f"{SOURCE}-value")
        self._header, self._movement = _registered(registry, "credit-movements-value")

    def rated(self, value: bytes, partition: int, offset: int) -> bytes:
        """The movement's message for an event's."""
        event: Any = schemaless_reader(io.BytesIO(value[_HEADER_BYTES:]), self._event, None)
        buffer = io.BytesIO()
        buffer.write(self._header)
        schemaless_writer(buffer, self._movement, self._rating.movement(event, SOURCE, partition, offset))
        return buffer.getvalue()


def _registered(registry: str, subject: str) -> tuple[bytes, Any]:
    """The head of a subject's messages, and its schema."""
    with urllib.request.urlopen(f"{registry}/subjects/{subject}/versions/latest") as answer:
        latest = json.load(answer)
    return b"\0" + latest["id"].to_bytes(4, "big"), parse_schema(json.loads(latest["schema"]))
