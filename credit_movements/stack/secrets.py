"""Secrets that `up` makes and keeps in its data folder, in files that only this user can read."""

import os
import secrets
from pathlib import Path

_BYTES = 32


def kept_secret(folder: Path, name: str) -> str:
    """The secret of that name, made at the first call: 64 hexadecimal digits in a file of mode 0600."""
    path = folder / name
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(_BYTES))
    except FileExistsError:
        pass
    return path.read_text().strip()
