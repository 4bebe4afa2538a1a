"""The three workers: each is made of its clients and settings, and runs until a signal.

The loops themselves live in `streams`, `sinks` and `exporter`. Begin with `rater`.
"""


class WorkerCrashedError(Exception):
    """A worker ended by a bug, which its log tells; what it had in hand is taken up by the next start."""
