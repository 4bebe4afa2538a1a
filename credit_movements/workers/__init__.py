"""One worker each: made of its parts, run until a signal."""


class WorkerCrashedError(Exception):
    """A worker ended by a bug, which its log tells; what it had in hand is taken up by the next start."""
