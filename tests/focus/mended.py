"""`python tests/focus/mended.py FOLDER`: mends focus-validator 2.2.1, which is installed there, for older Pythons; once.

One f-string of it has a backslash within its braces, which Python reads from 3.12 on (PEP 701). It is all that keeps it from
older ones.
"""

import sys
from pathlib import Path

MODULE = Path("focus_validator", "config_objects", "focus_to_duckdb_converter.py")
WRONG = """f"'{k.replace('\\"', '\\"\\"')}'" for k in ignore_keys"""
RIGHT = """"'" + k.replace('"', '""') + "'" for k in ignore_keys"""

if __name__ == "__main__" and sys.version_info < (3, 12):
    module = Path(sys.argv[1]) / MODULE
    text = module.read_text(encoding="utf-8")
    if RIGHT not in text:
        assert text.count(WRONG) == 1, "focus-validator is another one than this was written for"
        module.write_text(text.replace(WRONG, RIGHT), encoding="utf-8")
