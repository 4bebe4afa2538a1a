"""Which notification answers a request: record positions decide, as they decide what is a repeat."""

from typing import Any, cast

import pytest
from confluent_kafka import Message

from credit_movements.exports.request import Answers
from exporter.notify.notifications import answered_requests
from exporter.request.file_options import AskedFile
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.storage.records import Outcome
from schemas.codec import RecordCodec
from schemas.topics import EXPORT_NOTIFICATIONS, EXPORT_REQUESTS

ASKED = {"request_id": "mine", "account_id": "acme"}
ASKED_AT = 7
EARLIER = ExportRequest("earlier", "acme", 0, None, None, RequestPosition("log", 0, 6), 0, file=AskedFile(format="csv"))


class Codec:
    """Records as they are."""

    def decode_one(self, value: Any) -> Any:
        return value


class Record:
    def __init__(self, topic: str, value: dict[str, Any], offset: int, outcome: Outcome | None = None) -> None:
        self._topic, self._value, self._offset, self._outcome = topic, value, offset, outcome

    def topic(self) -> str:
        return self._topic

    def value(self) -> Any:
        return self._value

    def offset(self) -> int:
        return self._offset

    def headers(self) -> Any:
        return None if self._outcome is None else answered_requests(EARLIER, self._outcome)


MINE = Record(EXPORT_REQUESTS.name, ASKED, ASKED_AT)


def ended(export_id: str, below: int, account_id: str = "acme") -> Record:
    value = {"export_id": export_id, "account_id": account_id}
    return Record(EXPORT_NOTIFICATIONS.name, value, 0, Outcome(value, below))


def refused(export_id: str) -> Record:
    return Record(EXPORT_NOTIFICATIONS.name, {"export_id": export_id, "account_id": "acme"}, 0)


@pytest.mark.parametrize(
    ("records", "answer"),
    [
        ([MINE], None),
        ([MINE, ended("mine", 9)], ("mine", False)),
        ([ended("earlier", 7), MINE], None),
        ([ended("earlier", 7), MINE, ended("mine", 9)], ("mine", False)),
        ([MINE, ended("earlier", 7)], None),
        ([MINE, ended("earlier", 8)], ("earlier", True)),
        ([ended("earlier", 8)], None),
        ([ended("earlier", 8), MINE], ("earlier", True)),
        ([MINE, refused("earlier")], None),
        ([MINE, refused("earlier"), refused("mine")], ("mine", False)),
        ([MINE, ended("mine", 9, account_id="other"), ended("x", 9, account_id="other")], None),
    ],
)
def test_a_request_is_answered_by_its_own_export_or_by_one_that_ended_with_it_in_the_log(
    records: list[Record], answer: tuple[str, bool] | None
) -> None:
    codecs = dict.fromkeys((EXPORT_REQUESTS.name, EXPORT_NOTIFICATIONS.name), cast(RecordCodec, Codec()))
    answers = Answers(codecs, ASKED)
    for record in records:
        answers.take(cast(Message, record))
    outcome = answers.outcome()
    assert (None if outcome is None else (outcome.notification["export_id"], outcome.is_of_earlier)) == answer


@pytest.mark.parametrize(
    ("mine", "is_as_asked"),
    [({}, True), ({"time_zone": "UTC"}, True), ({"format": "xlsx"}, False), ({"period_to": 5}, False)],
)
def test_a_repeat_knows_whether_the_earlier_export_is_the_file_that_it_asked_for(
    mine: dict[str, Any], is_as_asked: bool
) -> None:
    codecs = dict.fromkeys((EXPORT_REQUESTS.name, EXPORT_NOTIFICATIONS.name), cast(RecordCodec, Codec()))
    answers = Answers(codecs, ASKED | mine)
    for record in (Record(EXPORT_REQUESTS.name, ASKED | mine, ASKED_AT), ended("earlier", 8)):
        answers.take(cast(Message, record))
    outcome = answers.outcome()
    assert outcome is not None
    assert (outcome.is_of_earlier, outcome.is_as_asked) == (True, is_as_asked)
