"""`verify` asked about a file that the exporter wrote, or about one that somebody changed."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from credit_movements.verify.manifest import NoManifestError
from credit_movements.verify.verification import manifest_beside, verified
from exporter.file.manifest import sealed
from exporter.request.csv_options import CsvOptions
from tests.unit.credit_movements.verify.exported import PLAIN, month, of_rows

ALL_OPTIONS = [
    CsvOptions(mark, separator, is_gzip) for mark in (False, True) for separator in ",;" for is_gzip in (False, True)
]


def findings_of(file: Path) -> list[str]:
    """What `verify` says of a file; one line where it has no manifest to hold it against."""
    try:
        _, findings = verified(file, None)
    except NoManifestError as error:
        return [str(error)]
    assert bool(findings.listed) == bool(findings.count)
    return findings.listed


def fresh(options: CsvOptions = PLAIN) -> Path:
    return of_rows(Path(tempfile.mkdtemp()), month(), options=options)


def forged(file: Path, change: Callable[[bytes], bytes]) -> Path:
    """The file changed, and its manifest made to fit as far as that goes without counting anything."""
    content = change(file.read_bytes())
    file.write_bytes(content)
    manifest = json.loads(manifest_beside(file).read_text())
    manifest |= {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    del manifest["manifest_sha256"]
    manifest_beside(file).write_bytes(sealed(manifest))
    return file
