"""What nobody asked to be otherwise stays as it is, byte for byte: the file and its manifest."""

import hashlib
from pathlib import Path

from credit_movements.verify.verification import manifest_beside
from exporter.request.csv_options import CsvOptions
from tests.unit.credit_movements.verify.exported import month, of_rows

# Of the version before there were other forms.
FILES = {
    "plain": (
        "10b26f174cd5de7a796d0a9240d27740dc048a35d6236785a21fdc0b8d9cd079",
        "f5380202b5e64a207f36d4cc602b16241aa000a79d7b6b48f6b61edeb53444ad",
    ),
    "european": (
        "774c7b9fe343bfaa28cae759691dfadad97a45fb3992c896bf4bb456e2609155",
        "f995c05bede8ac0b07ed47b462786b3e586f39f6ddd65fb37452b87dbc44d2e2",
    ),
}


def print_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_default_file_and_its_manifest_have_the_bytes_they_had(tmp_path: Path) -> None:
    found = {}
    for name, options in (("plain", CsvOptions()), ("european", CsvOptions(True, ";", True))):
        file = of_rows(tmp_path, month(), options=options)
        found[name] = (print_of(file), print_of(manifest_beside(file)))
    assert found == FILES
