"""The choices of `credit-movements sink --missing-offsets`. It imports no client, so that `--help` stays quick."""

from enum import StrEnum


class MissingOffsets(StrEnum):
    """What the sink does where the log does not have the offset that it has to read next."""

    STOP = "stop"
    EARLIEST = "earliest"

    @property
    def consumer_settings(self) -> dict[str, str]:
        """The consumer's property for this choice. It replaces that of CONSUMER_SETTINGS."""
        return {"auto.offset.reset": "error" if self is MissingOffsets.STOP else "earliest"}
