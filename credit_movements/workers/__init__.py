"""The three workers: each is made of its clients and settings, and runs until a signal.

The loops themselves live in `streams`, `sinks` and `exporter`. Begin with `rater`.
"""


class WorkerCrashedError(Exception):
    """A bug ended the worker: see its log. The next start takes up the unfinished work."""
