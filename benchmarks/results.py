"""Where figures are kept: `.cache/bench`, one JSON file a benchmark, with the machine and versions that they are of."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(".cache/bench")
PEERS_PYTHON = Path(".cache/bench-venv/bin/python")
_PEERS = ("faust-streaming", "quixstreams", "bytewax", "confluent-kafka", "fastavro")
_ASK_VERSIONS = "from importlib.metadata import distributions as all\nfor each in all(): print(each.name, each.version)"


def save(name: str, figures: Mapping[str, Any]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps({"machine": machine(), **figures}, indent=1))


def load(name: str) -> dict[str, Any] | None:
    """None where it was not measured."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def machine() -> dict[str, Any]:
    described = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {
        "processors": os.cpu_count(),
        "model": _first(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo")),
        "memory_gib": round(int(_first(r"MemTotal:\s*(\d+)", Path("/proc/meminfo")) or 0) / 2**20),
        "python": sys.version.split()[0],
        "commit": described.stdout.strip(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "peers": _versions(),
    }


def machine_line(of: Mapping[str, Any]) -> str:
    peers = ", ".join(f"{name} {version}" for name, version in of["peers"].items())
    return (
        f"{of['processors']} processors ({of['model']}), {of['memory_gib']} GiB, Python {of['python']}, commit {of['commit']};"
        f" peers: {peers or 'not installed'}"
    )


def _first(pattern: str, path: Path) -> str:
    found = re.search(pattern, path.read_text()) if path.exists() else None
    return found[1] if found else ""


def _versions() -> dict[str, str]:
    """Of the peers' packages, in their own Python."""
    if not PEERS_PYTHON.exists():
        return {}
    told = subprocess.run([PEERS_PYTHON, "-c", _ASK_VERSIONS], capture_output=True, text=True, check=True)
    return {name: version for name, version in map(str.split, told.stdout.splitlines()) if name in _PEERS}
