"""What focus-validator 2.2.1 lacks where it is installed; run by its own Python, once.

- One f-string of it has a backslash within its braces, which Python reads from 3.12 on (PEP 701). It is all that keeps it from
  older ones.
- Its package lacks the list of currency codes, which it would look for in the folder it is run in: `__main__` gives it one.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

MODULE = "config_objects/focus_to_duckdb_converter.py"
WRONG = """f"'{k.replace('\\"', '\\"\\"')}'" for k in ignore_keys"""
RIGHT = """"'" + k.replace('"', '""') + "'" for k in ignore_keys"""

if __name__ == "__main__" and sys.version_info < (3, 12):
    found = find_spec("focus_validator")
    assert found is not None
    assert found.origin is not None
    module = Path(found.origin).with_name("config_objects") / Path(MODULE).name
    text = module.read_text(encoding="utf-8")
    if RIGHT not in text:
        assert text.count(WRONG) == 1, "focus-validator is another one than this was written for"
        module.write_text(text.replace(WRONG, RIGHT), encoding="utf-8")
