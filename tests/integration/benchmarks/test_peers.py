"""The peers' way through Kafka, with the one whose packages are ours too: its movements are the rater's, field by field."""

import sys
import time
from pathlib import Path

import pytest

from benchmarks.rating import sameness
from benchmarks.rating.systems import peer, rater
from benchmarks.rating.traffic import only_good, traffic
from benchmarks.stack import EMBEDDED
from credit_movements.demo.company import company

PLAIN_LOOP = "plain loop"
EVENTS = 5_000


@pytest.mark.thorough
def test_the_plain_loop_makes_the_movements_of_the_rater_and_a_wrong_one_is_noticed() -> None:
    made = only_good(company(time.time_ns() // 1000, events=EVENTS))
    with traffic(made, EMBEDDED) as published:
        rater(published)
        peer(published, PLAIN_LOOP, seconds=30, python=Path(sys.executable))
        expected = sameness.rated(published)
        assert published.count == EVENTS
        assert sameness.compare(published, PLAIN_LOOP, expected) == EVENTS

        with pytest.raises(sameness.DifferentError, match="plain loop: of 5000 movements 4999 are those of the rater"):
            sameness.compare(published, PLAIN_LOOP, expected.tail(EVENTS - 1))
