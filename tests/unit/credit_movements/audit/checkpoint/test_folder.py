"""A checkpoint that is not whole, another's, or farther than what is there, is not used; what it had is proved anew."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.credit_movements.audit.history import LETTERS, USAGE
from tests.unit.credit_movements.audit.test_rounds import go_on, proved


def of_another_log(said: dict[str, Any]) -> None:
    said["owner"]["topics"]["credit-movements"] = "another"


def of_other_hashes(said: dict[str, Any]) -> None:
    said["owner"]["hashes"][0] = "another/2"


def farther(said: dict[str, Any]) -> None:
    said["proved"]["sources"][USAGE.topic]["to"] += 1


def without_a_field(said: dict[str, Any]) -> None:
    del said["proved"]["segments"]


@pytest.mark.parametrize("spoil", [of_another_log, of_other_hashes, farther, without_a_field])
def test_a_checkpoint_that_is_not_what_was_written_or_anothers_is_not_used(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    working = proved(tmp_path)
    file = tmp_path / "audit" / "partition-0" / "proved.json"
    said = json.loads(file.read_text())
    spoil(said)
    file.write_text(json.dumps(said))
    audit = working.history.audit(tmp_path)
    assert audit.holds
    assert (audit.proved_before, list(audit.discarded)) == (0, [0])
    again = working.history.audit(tmp_path)
    assert (again.proved_before, again.discarded) == (5, {})


@pytest.mark.parametrize("name", ["audit/partition-0/proved.json", "audit/partition-0/ids/manifest.json"])
def test_a_torn_checkpoint_is_not_used(tmp_path: Path, name: str) -> None:
    working = proved(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:20])
    audit = working.history.audit(tmp_path)
    assert (audit.holds, audit.proved_before, list(audit.discarded)) == (True, 0, [0])


def test_ids_of_another_round_are_not_used(tmp_path: Path) -> None:
    working = proved(tmp_path)
    ids, kept = tmp_path / "audit" / "partition-0" / "ids", tmp_path / "kept"
    shutil.copytree(ids, kept)
    go_on(working)
    assert working.history.audit(tmp_path).proved_before == 5
    shutil.rmtree(ids)
    shutil.copytree(kept, ids)
    audit = working.history.audit(tmp_path)
    assert (audit.holds, audit.proved_before, list(audit.discarded)) == (True, 0, [0])


def test_what_lies_behind_an_end_or_what_is_committed_is_not_trusted(tmp_path: Path) -> None:
    working = proved(tmp_path)
    working.history.stored = 1
    assert working.history.audit(tmp_path).discarded == {0: "the sink has gone back"}
    working = proved(tmp_path / "raters")
    working.history.committed = 3
    assert working.history.audit(tmp_path / "raters").discarded == {0: "the raters have gone back"}
    working = proved(tmp_path / "letters")
    del working.history.topics[LETTERS]
    audit = working.history.audit(tmp_path / "letters")
    assert audit.discarded == {0: "a topic ends before what was proved"}
    assert [each.kind.value for each in audit.differences] == ["lost"]
