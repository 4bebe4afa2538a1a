"""The audit of packages says honestly what it knows, the SBOM is held against the pins, and licenses are known ones."""

import re
from importlib.metadata import PackageNotFoundError, files, metadata
from pathlib import Path

import pytest

from tests.deployment import sbom
from tests.deployment.audit import main, read, told

PINS = Path("constraints-production.txt")
ROOT = Path(__file__).parents[2]
FOUND = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
CLEAN, WEAK = ({"name": name, "version": "1.0", "vulns": vulns} for name, vulns in (("good", []), ("bad", [FOUND])))
SKIPPED = {"name": "unknown", "skip_reason": "Dependency not found on PyPI and could not be audited: unknown (1.0)"}

# Words of licenses that let a company use, change and keep a program as it likes, as it stands in the packages.
PERMISSIVE = re.compile(r"Apache|MIT|BSD|ISC|PSF|Python Software Foundation|Zlib|CNRI|0BSD", re.IGNORECASE)
# Others, each looked at: MPL asks that changes to its own files are published, and nothing of what uses them; Repoze is BSD's
# text with two clauses about its trademarks.
OTHERS = {"certifi": "MPL-2.0", "venusian": "Repoze"}


def test_an_audit_that_nobody_answered_is_not_one() -> None:
    lines, status = told(read({"dependencies": [SKIPPED, SKIPPED]}), "pins.txt", required=False)
    assert [line.split(":")[0] for line in lines] == ["NOT AUDITED"]
    assert "2 of 2 packages of pins.txt" in lines[0]
    assert status == 0


def test_a_release_can_insist_on_an_audit() -> None:
    for packages in ([SKIPPED], [CLEAN, SKIPPED], []):
        assert told(read({"dependencies": packages}), "pins.txt", required=True)[1] == 1
    assert told(read({"dependencies": [CLEAN]}), "pins.txt", required=True)[1] == 0


def test_a_package_that_was_not_audited_is_told_beside_those_that_were() -> None:
    lines, status = told(read({"dependencies": [CLEAN, SKIPPED]}), "pins.txt", required=False)
    assert [line.split(":")[0] for line in lines] == ["AUDITED", "NOT AUDITED"]
    assert status == 0


def test_a_known_weakness_fails_and_is_named_with_what_mends_it() -> None:
    lines, status = told(read({"dependencies": [CLEAN, WEAK]}), "pins.txt", required=False)
    assert lines[0] == "WEAKNESS: bad 1.0: PYSEC-2026-1, mended in 1.1"
    assert status == 1


@pytest.mark.parametrize("says", ["echo cannot connect >&2; exit 1", "exit 3"])
def test_a_tool_that_says_nothing_has_audited_nothing(
    says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\n{says}\n")
    tool.chmod(0o755)
    assert main(str(tool), "pins.txt") == 0
    assert capsys.readouterr().out.startswith("NOT AUDITED: ")
    assert main(str(tool), "pins.txt", "--required") == 1


def test_an_sbom_that_lacks_a_pin_or_has_another_version_is_refused() -> None:
    pins = sbom.pinned("good==1.0 \\\n    --hash=sha256:0\nother==2 ; python_version < '4' \\\n    --hash=sha256:1\n")
    assert pins == {"good": "1.0", "other": "2"}
    assert sbom.differences({"good": "1.0", "other": "2"}, pins) == []
    assert sbom.differences({"good": "1.1"}, pins) == [
        "good: pinned 1.0, listed 1.1",
        "other: pinned 2, listed not at all",
    ]


def license_of(package: str) -> str | None:
    """As the package itself says it; None where it is not installed here, since it is for another system."""
    try:
        told = metadata(package)
    except PackageNotFoundError:
        return None
    classifiers = [each for each in told.get_all("Classifier") or [] if each.startswith("License ::")]
    texts = [file.read_text()[:100] for file in files(package) or [] if file.name.startswith("LICENSE")]
    # A whole text begins with its name.
    named = told.get("License-Expression") or " ".join(classifiers) or told.get("License")
    return str(named or " ".join(texts))[:100]


def test_every_package_of_production_has_a_permissive_license_or_one_that_was_looked_at() -> None:
    licenses = {name: license_of(name) for name in sbom.pinned((ROOT / PINS).read_text())}
    assert sum(each is not None for each in licenses.values()) > 40
    others = {name: each for name, each in licenses.items() if each is not None and not PERMISSIVE.search(each)}
    assert others.keys() == OTHERS.keys(), others
