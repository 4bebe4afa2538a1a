"""Acknowledgements follow the order of the log."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.in_order import InOrderAcks


def test_a_record_waits_for_the_earlier_ones_of_its_partition() -> None:
    acknowledged: list[str] = []
    acks = InOrderAcks(acknowledged.append)
    for offset in (3, 4, 5):
        assert acks.begin(0, offset, f"0/{offset}")
    assert acks.begin(1, 9, "1/9")
    acks.done(0, 4)
    acks.done(1, 9)
    assert acknowledged == ["1/9"]
    acks.done(0, 3)
    assert acknowledged == ["1/9", "0/3", "0/4"]
    acks.done(0, 5)
    assert acknowledged == ["1/9", "0/3", "0/4", "0/5"]


def test_a_record_that_comes_again_is_not_begun_again_and_its_last_coming_is_acknowledged() -> None:
    acknowledged: list[str] = []
    acks = InOrderAcks(acknowledged.append)
    acks.begin(0, 1, "1")
    acks.begin(0, 2, "2")
    acks.done(0, 2)
    assert not acks.begin(0, 1, "1 again")
    assert not acks.begin(0, 2, "2 again")
    acks.done(0, 1)
    assert acknowledged == ["1 again", "2 again"]


def test_a_record_that_comes_again_after_its_acknowledgement_is_begun_again() -> None:
    acks: InOrderAcks[str] = InOrderAcks(lambda _: None)
    acks.begin(0, 1, "1")
    acks.done(0, 1)
    assert acks.begin(0, 1, "1 again")


@given(st.permutations(range(8)), st.integers(0, 8))
def test_nothing_is_acknowledged_before_what_is_not_done(order: list[int], done: int) -> None:
    acknowledged: list[int] = []
    acks = InOrderAcks(acknowledged.append)
    for offset in range(8):
        acks.begin(0, offset, offset)
    for offset in order[:done]:
        acks.done(0, offset)
    unfinished = sorted(order[done:])
    assert acknowledged == list(range(unfinished[0] if unfinished else 8))
