"""Movements that the log has twice, as a broker shows them that does not hide aborted transactions: none counts twice."""

import pytest
from clickhouse_connect.driver.client import Client

from sinks.read.summed.grains import REACHED
from sinks.read.summed.reach import Reach, read_reach, summed
from tests.integration.sink.test_sums import BLOCK, check, made, sink


@pytest.mark.parametrize("step", [45, 70, 400])
@pytest.mark.parametrize("crashes", [False, True])
def test_a_movement_that_the_log_has_twice_counts_once(client: Client, step: int, crashes: bool) -> None:
    rows = made(300)
    # The broker shows what a transaction wrote that was aborted.
    log = rows[:170] + rows[110:]
    if crashes:
        sink(client, log[:160], step=step)
        sink(client, log[:180], first=100, step=step)
    sink(client, log, first=140 if crashes else 0, step=step)
    assert (read_reach(client, "log")[0].reached, read_reach(client, "log")[0].has_repeats) == (0, True)
    assert summed(client, "acme") is None
    check(client, rows)
    # Read again from its beginning, it has them again.
    client.command(f"TRUNCATE TABLE {REACHED}")
    sink(client, log, step=step)
    check(client, rows)


def test_a_rater_that_was_set_back_makes_no_repeats(client: Client) -> None:
    rows = made(300)
    # It comes upon events again that were none; of the others it knows that they were rated.
    again = [row | {"source_offset": number} for number, row in enumerate(rows[200:])]
    log = rows[:200] + again
    sink(client, log)
    sink(client, log, first=130)
    assert read_reach(client, "log") == {0: Reach(BLOCK, 300)}
    check(client, rows)
