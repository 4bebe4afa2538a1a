"""Exports of the format FOCUS, held by the FinOps Foundation's own validator (PyPI: focus-validator), which has a Python of its
own: its packages are older than ours. Begin with `__main__`."""
