"""Two raters that are given one folder: the second stops before it touches anything; a killed one's claim is gone with it."""

import signal
from pathlib import Path

import pytest

from credit_movements.settings import Settings
from schemas.topics import CREDIT_MOVEMENTS, RATES, USAGE_EVENTS
from tests.integration.rater.raters import STOP_SECONDS, RaterProcess, rater
from tests.integration.records import event, rate
from tests.integration.stack import Stack, eventually
from tests.kafka.brokers import TANSU

pytestmark = pytest.mark.parametrize("kafka", [TANSU], indirect=True)

ALL = "rating partitions [0, 1, 2, 3];"


def stored(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_second_rater_of_a_folder_stops_with_one_line_and_touches_nothing(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    folder = settings.data_dir / "owner"
    stack.publish_priced(RATES, rate())
    stack.publish(USAGE_EVENTS, *(event(number) for number in range(100)))
    with rater(settings, "owner", tmp_path) as owner:
        owner.wait_for(ALL)
        eventually(lambda: stack.is_rated())
        # Whoever opens such a store clears it.
        (folder / "seen" / "0").mkdir(parents=True)
        (folder / "seen" / "0" / "manifest.json").write_text("torn")
        before = stored(folder)
        intruder = RaterProcess(settings, "intruder", tmp_path, folder="owner")
        assert intruder.wait_or_kill(STOP_SECONDS), intruder.log()
        assert intruder.exit_status == 1
        assert intruder.log().splitlines()[-1] == (
            f"credit-movements: CREDIT_DATA_DIR: {folder} is in use by another rater (process {owner.process_id})."
            " Give each rater a folder of its own in CREDIT_DATA_DIR."
        )
        assert stored(folder) == before
        stack.publish(USAGE_EVENTS, *(event(number) for number in range(200)))
        eventually(lambda: stack.is_rated())
    assert len(stack.records(CREDIT_MOVEMENTS)) == 200


def test_a_rater_that_was_killed_leaves_its_folder_to_the_next(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    with rater(settings, "owner", tmp_path) as owner:
        owner.wait_for(ALL)
        owner.signal(signal.SIGKILL)
        eventually(lambda: owner.exit_status == -signal.SIGKILL)
        with rater(settings, "owner", tmp_path) as successor:
            # In the same log.
            eventually(lambda: successor.has_said(ALL, times=2))
