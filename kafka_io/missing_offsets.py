"""What the command line offers. A module of its own: it is shown without loading anything that rates."""

from enum import StrEnum


class MissingOffsets(StrEnum):
    """What to do with a partition that cannot be gone on with where the group left off."""

    STOP = "stop"
    EARLIEST = "earliest"
    LATEST = "latest"
