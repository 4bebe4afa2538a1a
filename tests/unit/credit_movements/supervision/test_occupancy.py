"""A rater's claim on its data folder. Between processes it is tested with real raters."""

from pathlib import Path

import pytest

from credit_movements.supervision.occupancy import OccupiedError, data_folder_claimed, rater_folder_claimed


def test_a_folder_is_one_raters_and_free_again_when_that_one_ends(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with rater_folder_claimed(folder, "SETTING"), rater_folder_claimed(tmp_path / "other", "SETTING"):
        with pytest.raises(OccupiedError, match="Give each rater a folder of its own in SETTING"):
            rater_folder_claimed(folder, "SETTING").__enter__()
        # That of `up` is another: its rater works in the same folder.
        with data_folder_claimed(folder):
            pass
    with rater_folder_claimed(folder, "SETTING"):
        pass


def test_a_folder_that_cannot_be_written_stops_no_rater(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    in_the_way = tmp_path / "data"
    in_the_way.write_text("")
    with rater_folder_claimed(in_the_way, "SETTING"):
        assert f"SETTING: {in_the_way} cannot be written (File exists)" in caplog.text
        assert "give it a folder that it may write" in caplog.text
