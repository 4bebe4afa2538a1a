"""A worker's page where its port cannot be had."""

import pytest
from prometheus_client import CollectorRegistry

from credit_movements.supervision.occupancy import OccupiedError
from credit_movements.workers.health import health_page


def test_a_port_that_is_taken_is_told_in_one_line_that_names_the_setting() -> None:
    with health_page("127.0.0.1", 0, "SETTING", CollectorRegistry(), lambda: None) as port:
        second = health_page("127.0.0.1", port, "SETTING", CollectorRegistry(), lambda: None)
        with pytest.raises(OccupiedError) as refused:
            second.__enter__()
    assert str(refused.value) == (
        f"SETTING: cannot listen on 127.0.0.1:{port} (Address already in use). "
        "Choose another port with SETTING; 0 takes any that is free."
    )
