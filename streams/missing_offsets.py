"""The choices of `credit-movements rate --missing-offsets`. It imports no client, so that `--help` stays quick."""

from enum import StrEnum


class MissingOffsets(StrEnum):
    """Where to go on in a partition whose committed offset is missing or of no use: nowhere, at its beginning, at its end."""

    STOP = "stop"
    EARLIEST = "earliest"
    LATEST = "latest"
