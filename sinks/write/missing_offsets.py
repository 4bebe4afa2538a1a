"""What the command line offers. A module of its own: to show it, nothing that stores need be loaded."""

from enum import StrEnum


class MissingOffsets(StrEnum):
    """What to do where the log does not have the offset that is to be read next."""

    STOP = "stop"
    EARLIEST = "earliest"

    @property
    def consumer_settings(self) -> dict[str, str]:
        """What follows for the consumer, over CONSUMER_SETTINGS."""
        return {"auto.offset.reset": "error" if self is MissingOffsets.STOP else "earliest"}
