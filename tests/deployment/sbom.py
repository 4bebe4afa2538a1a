"""Does the SBOM list what is pinned, and nothing else? `python -m tests.deployment.sbom SBOM REQUIREMENTS`, status 0 or 1."""

import json
import re
import sys
from pathlib import Path
from typing import Any

Pins = dict[str, str]


def pinned(requirements: str) -> Pins:
    """Package → version, of a file of pins with hashes."""
    return dict(re.findall(r"^([\w.-]+)==([^ ;\\]+)", requirements, re.MULTILINE))


def listed(bom: dict[str, Any]) -> Pins:
    """Package → version, of what a CycloneDX document lists."""
    return {each["name"]: each["version"] for each in bom["components"]}


def differences(bom: Pins, pins: Pins) -> list[str]:
    return [
        f"{name}: pinned {pins.get(name, 'not at all')}, listed {bom.get(name, 'not at all')}"
        for name in sorted(bom.keys() | pins.keys())
        if bom.get(name) != pins.get(name)
    ]


def main(sbom: str, requirements: str) -> int:
    pins = pinned(Path(requirements).read_text(encoding="utf-8"))
    wrong = differences(listed(json.loads(Path(sbom).read_text(encoding="utf-8"))), pins)
    print("\n".join(wrong) or f"SBOM: {len(pins)} packages of {requirements} in {sbom}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
