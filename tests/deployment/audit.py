"""Known weaknesses of pinned packages, by pip-audit: `python -m tests.deployment.audit PIP_AUDIT REQUIREMENTS [--required]`.

pip-audit ends with status 0 where it could ask nobody: a package that its service does not answer for is left out. That must
not pass for an audit. So this says AUDITED or NOT AUDITED, and how many. Status 1: a weakness was found, or, with
`--required`, a package was not audited.
"""

import json
import subprocess
import sys
from typing import Any, NamedTuple

_LIMIT_SECONDS = 300


class Audit(NamedTuple):
    """`findings`: a line for each known weakness. `unasked`: packages that nobody answered for. `why_not`: for the first."""

    audited: int
    findings: list[str]
    unasked: list[str]
    why_not: str


def read(report: dict[str, Any]) -> Audit:
    """What pip-audit's JSON says."""
    packages = report["dependencies"]
    asked = [each for each in packages if "vulns" in each]
    skipped = [each for each in packages if "vulns" not in each]
    findings = [
        f"{each['name']} {each['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no version yet'}"
        for each in asked
        for found in each["vulns"]
    ]
    why_not = skipped[0].get("skip_reason", "skipped") if skipped else "" if asked else "no package was named"
    return Audit(len(asked), findings, [each["name"] for each in skipped], why_not)


def told(audit: Audit, requirements: str, required: bool) -> tuple[list[str], int]:
    """The lines to print, and the status to end with."""
    lines = [f"WEAKNESS: {each}" for each in audit.findings]
    if audit.audited:
        lines.append(f"AUDITED: {audit.audited} packages of {requirements}, {len(audit.findings)} known weaknesses")
    if audit.why_not:
        of_all = audit.audited + len(audit.unasked)
        lines.append(f"NOT AUDITED: {len(audit.unasked)} of {of_all} packages of {requirements}: {audit.why_not}")
    return lines, int(bool(audit.findings) or (required and bool(audit.why_not)))


def main(pip_audit: str, requirements: str, *options: str) -> int:
    command = [pip_audit, "--requirement", requirements, "--require-hashes", "--disable-pip", "--format", "json"]
    done = subprocess.run(
        [*command, "--progress-spinner", "off"], capture_output=True, text=True, timeout=_LIMIT_SECONDS
    )
    try:
        audit = read(json.loads(done.stdout))
    except json.JSONDecodeError:
        # Its service did not answer at all, or it does not understand the file.
        last = (done.stderr.strip().splitlines() or [f"pip-audit ended with status {done.returncode}"])[-1]
        audit = Audit(0, [], [], last)
    lines, status = told(audit, requirements, "--required" in options)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
