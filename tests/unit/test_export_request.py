"""Which notification answers a request that is waited for: by Kafka's timestamps, as the exporter tells a repeat."""

from typing import Any, cast

import pytest
from confluent_kafka import Message

from credit_movements.export_request import Answers
from schemas.codec import RecordCodec
from schemas.topics import EXPORT_NOTIFICATIONS, EXPORT_REQUESTS

ASKED = {"request_id": "mine", "account_id": "acme"}
SENT_AT_MS = 1_000


class Codec:
    """Records as they are."""

    def decode_one(self, value: Any) -> Any:
        return value


class Record:
    def __init__(self, topic: str, value: dict[str, Any], timestamp_ms: int) -> None:
        self._topic, self._value, self._timestamp_ms = topic, value, timestamp_ms

    def topic(self) -> str:
        return self._topic

    def value(self) -> Any:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return 1, self._timestamp_ms


MINE = Record(EXPORT_REQUESTS.name, ASKED, SENT_AT_MS)


def ended(export_id: str, at_ms: int, account_id: str = "acme") -> Record:
    value = {"export_id": export_id, "account_id": account_id, "notified_at": at_ms * 1000}
    return Record(EXPORT_NOTIFICATIONS.name, value, at_ms)


@pytest.mark.parametrize(
    ("records", "answer"),
    [
        ([MINE], None),
        ([MINE, ended("mine", 2_000)], ("mine", False)),
        ([ended("earlier", 999), MINE], None),
        ([ended("earlier", 999), MINE, ended("mine", 2_000)], ("mine", False)),
        ([MINE, ended("earlier", 1_000)], ("earlier", True)),
        ([ended("earlier", 1_000)], None),
        ([ended("earlier", 1_000), MINE], ("earlier", True)),
        ([MINE, ended("mine", 2_000, account_id="other"), ended("x", 2_000, account_id="other")], None),
    ],
)
def test_a_request_is_answered_by_its_own_export_or_by_one_that_ended_after_it(
    records: list[Record], answer: tuple[str, bool] | None
) -> None:
    codecs = dict.fromkeys((EXPORT_REQUESTS.name, EXPORT_NOTIFICATIONS.name), cast(RecordCodec, Codec()))
    answers = Answers(codecs, ASKED)
    for record in records:
        answers.take(cast(Message, record))
    outcome = answers.outcome()
    assert (None if outcome is None else (outcome.notification["export_id"], outcome.is_of_earlier)) == answer
