"""Where a partition goes on after a poll."""

from kafka_io.polls import offsets_after
from kafka_io.positions import TopicPartition

HERE = TopicPartition("usage-events", 3)


def test_a_partition_goes_on_after_the_last_record_read() -> None:
    assert offsets_after({HERE: 5}, {HERE: 8}, {}) == {HERE: 8}


def test_an_end_beyond_the_records_counts_the_transaction_markers_in() -> None:
    assert offsets_after({HERE: 5}, {HERE: 8}, {HERE: 9}) == {HERE: 9}
    assert offsets_after({HERE: 5}, {}, {HERE: 6}) == {HERE: 6}


def test_an_end_that_was_told_before_the_next_record_came_does_not_count_that_record_out() -> None:
    assert offsets_after({HERE: 5}, {HERE: 8}, {HERE: 7}) == {HERE: 8}


def test_an_end_where_the_partition_stands_already_is_no_news() -> None:
    assert offsets_after({HERE: 5}, {}, {HERE: 5}) == {}
