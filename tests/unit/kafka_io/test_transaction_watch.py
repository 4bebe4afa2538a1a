"""A producer may go on only where each request of its last transaction has an answer."""

import logging

import pytest

from kafka_io.transaction_watch import TransactionWatch

REQUESTS = ("AddPartitionsToTxn", "Produce", "AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn")


@pytest.fixture
def watch() -> TransactionWatch:
    watch = TransactionWatch(logging.getLogger("kafka"))
    watch.begin()
    return watch


def send(watch: TransactionWatch, *names: str) -> None:
    """As librdkafka 2.16 words it."""
    for name in names:
        text = f"[thrd:TxnCoordinator]: TxnCoordinator/1: Sent {name}Request (v1, 36 bytes @ 0, CorrId 9)"
        watch.log(logging.DEBUG, "%s [%s] %s", "SEND", "credit-movements#producer-1", text)


def answer(watch: TransactionWatch, *names: str) -> None:
    for name in names:
        text = f"[thrd:TxnCoordinator]: TxnCoordinator/1: Received {name}Response (v1, 6 bytes, CorrId 9, rtt 1.20ms)"
        watch.log(logging.DEBUG, "%s [%s] %s", "RECV", "credit-movements#producer-1", text)


def test_a_producer_without_a_transaction_has_left_nothing_behind() -> None:
    watch = TransactionWatch(logging.getLogger("kafka"))
    send(watch, "InitProducerId")
    assert watch.left_behind() is None


def test_a_transaction_whose_requests_were_all_answered_has_left_nothing_behind(watch: TransactionWatch) -> None:
    send(watch, *REQUESTS)
    answer(watch, *REQUESTS)
    assert watch.left_behind() is None


def test_a_refusal_is_an_answer_as_well(watch: TransactionWatch) -> None:
    """Kafka refuses to add to a transaction while the markers of the one before are being written: in most batches."""
    send(watch, *REQUESTS, "AddOffsetsToTxn", "AddPartitionsToTxn")
    answer(watch, *REQUESTS, "AddOffsetsToTxn", "AddPartitionsToTxn")
    assert watch.left_behind() is None


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_without_an_answer_may_come_late(watch: TransactionWatch, name: str) -> None:
    send(watch, *REQUESTS, name)
    answer(watch, *REQUESTS)
    assert watch.left_behind() == f"no answer to 1 {name}"


def test_a_request_that_was_handed_over_in_part_cannot_be_carried_out(watch: TransactionWatch) -> None:
    watch.log(logging.DEBUG, "%s [%s] %s", "SEND", "p", "Sent partial ProduceRequest (v7, 0+9/99 bytes, CorrId 3)")
    send(watch, *REQUESTS)
    answer(watch, *REQUESTS)
    assert watch.left_behind() is None


def test_an_end_that_was_asked_for_twice_is_not_trusted(watch: TransactionWatch) -> None:
    send(watch, *REQUESTS, "EndTxn")
    answer(watch, *REQUESTS, "EndTxn")
    assert watch.left_behind() == "2 requests to end it instead of one"


def test_a_step_that_was_taken_again_is_not_trusted(watch: TransactionWatch) -> None:
    send(watch, *REQUESTS)
    watch.note_asked_again("timed out")
    answer(watch, *REQUESTS)
    assert watch.left_behind() == "a step was taken again: timed out"


def test_a_librdkafka_that_tells_it_in_other_words_is_not_trusted(watch: TransactionWatch) -> None:
    watch.log(logging.DEBUG, "%s [%s] %s", "SEND", "p", "EndTxn request is out")
    assert watch.left_behind() == "0 requests to end it instead of one"


def test_each_transaction_answers_for_its_own_requests(watch: TransactionWatch) -> None:
    send(watch, *REQUESTS, "EndTxn")
    watch.note_asked_again("timed out")
    watch.begin()
    send(watch, *REQUESTS)
    answer(watch, *REQUESTS)
    assert watch.left_behind() is None


def test_all_lines_are_passed_on(watch: TransactionWatch, caplog: pytest.LogCaptureFixture) -> None:
    watch.log(logging.ERROR, "%s [%s] %s", "FAIL", "credit-movements#producer-1", "Connection refused")
    assert caplog.messages == ["FAIL [credit-movements#producer-1] Connection refused"]
