"""The sabotages of snapshots: what must be refused is taken."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.dedup.files import Manifest, write_manifest
from streams.dedup.snapshots import Snapshot


def snapshot_of_any_log(patch: pytest.MonkeyPatch) -> None:
    def parsed(text: bytes, log_id: str, keep_micros: int) -> Manifest:
        return honest(text, json.loads(text)["log_id"], keep_micros)._replace(log_id=log_id)

    honest = Manifest.parsed
    patch.setattr(Manifest, "parsed", parsed)


def snapshot_without_a_run(patch: pytest.MonkeyPatch) -> None:
    def fetched(snapshot: Any, folder: Path, *_: Any) -> bool:
        text = snapshot._objects.manifest()
        manifest = Manifest.parsed(text, snapshot._log_id, snapshot._keep_micros)
        there = tuple(name for name in manifest.runs if snapshot._objects.fetch_runs([name], folder))
        write_manifest(folder, manifest._replace(runs=there).text())
        return True

    patch.setattr(Snapshot, "_fetched", fetched)
