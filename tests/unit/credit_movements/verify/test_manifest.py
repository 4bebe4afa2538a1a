"""`verify` and a manifest: each number of it is held against the file."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_movements.verify.manifest import NoManifestError
from credit_movements.verify.verification import manifest_beside, verified
from exporter.file.manifest import sealed
from tests.unit.credit_movements.verify.exported import of_rows
from tests.unit.credit_movements.verify.verifying import findings_of, fresh


def numbers(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a manifest has a number, as such or in a text."""
    if isinstance(node, dict | list):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from numbers(child, (*path, key))
    elif isinstance(node, int) or (isinstance(node, str) and any(letter.isdigit() for letter in node)):
        yield path


def changed(manifest: dict[str, Any], path: tuple[Any, ...], draw: Callable[[Any], Any]) -> None:
    node: Any = manifest
    for key in path[:-1]:
        node = node[key]
    value = node[path[-1]]
    if isinstance(value, int):
        node[path[-1]] = draw(st.integers(-5, 10**12).filter(lambda number: number != value))
    else:
        at = draw(st.sampled_from([index for index, letter in enumerate(value) if letter.isdigit()]))
        digit = draw(st.sampled_from([each for each in "0123456789" if each != value[at]]))
        node[path[-1]] = value[:at] + digit + value[at + 1 :]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_changed_number_of_a_manifest_is_noticed(data: st.DataObject) -> None:
    file = fresh()
    manifest = json.loads(manifest_beside(file).read_text())
    changed(manifest, data.draw(st.sampled_from(list(numbers(manifest)))), data.draw)
    manifest_beside(file).write_text(json.dumps(manifest))
    assert findings_of(file)


# What only its maker knows: nothing in the file speaks of it.
NOT_IN_THE_FILE = {"export_id", "manifest_sha256", "ledger_position"}


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_number_of_a_manifest_that_was_sealed_anew_is_held_against_the_file(data: st.DataObject) -> None:
    file = fresh()
    manifest = json.loads(manifest_beside(file).read_text())
    paths = [path for path in numbers(manifest) if path[0] not in NOT_IN_THE_FILE]
    path = data.draw(st.sampled_from(paths))
    # Seconds of the period's end and a single balance at both ends are told by nothing else.
    if path[0] == "period_to":
        manifest["period_to"] = "2026-11-04T12:30:01.000005Z"
    else:
        changed(manifest, path, data.draw)
    del manifest["manifest_sha256"]
    manifest_beside(file).write_bytes(sealed(manifest))
    assert findings_of(file)


def of_version_1(file: Path) -> dict[str, Any]:
    """What an exporter wrote before there were adjustments: they were among the top-ups."""
    manifest = json.loads(manifest_beside(file).read_text())
    del manifest["manifest_sha256"]
    return {**manifest, "manifest_version": 1}


def test_a_manifest_of_version_1_is_still_held_against_its_file() -> None:
    file = fresh()
    manifest = of_version_1(file)
    moved = sum(Decimal(manifest.pop(name)) for name in ("top_ups", "adjustments"))
    manifest_beside(file).write_bytes(sealed({**manifest, "top_ups": f"{moved:f}".rstrip("0")}))
    assert findings_of(file) == []
    manifest_beside(file).write_bytes(sealed({**manifest, "top_ups": "50"}))
    assert "top-ups: the file has 30.03, the manifest says 50" in findings_of(file)


@pytest.mark.parametrize("is_new", [False, True])
def test_adjustments_go_with_version_2_alone(is_new: bool) -> None:
    file = fresh()
    manifest = of_version_1(file)
    if is_new:
        del manifest["adjustments"]
    manifest_beside(file).write_bytes(sealed({**manifest, "manifest_version": 1 + is_new}))
    (found,) = findings_of(file)
    assert "`adjustments` goes with version 2" in found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "not a manifest of version 1, 2 or 3"),
        ("{}", "not a manifest of version 1, 2 or 3"),
        ('{"manifest_version": 4}', "manifest_version"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_manifest_is_said(tmp_path: Path, text: str, why: str) -> None:
    file = of_rows(tmp_path, [])
    manifest_beside(file).write_text(text)
    with pytest.raises(NoManifestError, match=why):
        verified(file, None)
