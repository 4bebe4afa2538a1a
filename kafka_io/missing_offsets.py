"""What the command line offers. A module of its own: to show it, nothing that rates need be loaded."""

from enum import StrEnum


class MissingOffsets(StrEnum):
    """What to do with a partition that cannot be gone on with where the group left off."""

    STOP = "stop"
    EARLIEST = "earliest"
    LATEST = "latest"
