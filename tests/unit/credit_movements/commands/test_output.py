"""What commands print, and how they are stopped."""

import os
import signal

import pytest

from credit_movements.commands.output import stop_asked, tell_all


def test_of_many_sentences_the_first_thousand_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    tell_all("rates.csv", [f"line {number}" for number in range(1, 1_001)])
    assert capsys.readouterr().err.splitlines()[-1] == "rates.csv: line 1000"
    tell_all("rates.csv", [f"line {number}" for number in range(1, 2_501)])
    told = capsys.readouterr().err.splitlines()
    assert (len(told), told[999:]) == (1_001, ["rates.csv: line 1000", "rates.csv: and 1,500 more"])
    tell_all("rates.csv", ["line 1"], 2_000)
    assert capsys.readouterr().err.splitlines() == ["rates.csv: line 1", "rates.csv: and 1,999 more"]
    tell_all("rates.csv", [])
    assert capsys.readouterr().err == ""


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_ctrl_c_asks_and_the_second_one_acts_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_asked() as stop:
        assert not stop.is_set()
        interrupt()
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    assert signal.getsignal(signal.SIGINT) == before
