"""Exports of the format FOCUS, held by the FinOps Foundation's own validator (PyPI: focus-validator). It lies in a folder of
its own, with what it needs besides our packages. Begin with `__main__`."""
