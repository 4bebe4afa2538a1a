"""How a rater is set."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kafka_io.missing_offsets import MissingOffsets
from streams.pricing.rating import Limits


@dataclass(frozen=True)
class RaterOptions:
    """`partitions`: of the source topics. `dedup_folder`: where the deduplication stores lie. `log_id`: of which log they are.

    `origins`: source topic → what tells it and the log from any other, noted with its offsets. `rated_with`: the settings
    that decide how an event ends, in words, noted too.
    """

    partitions: int
    dedup_folder: Path
    log_id: str
    origins: Mapping[str, str]
    limits: Limits
    batch_size: int
    rated_with: str = ""
    missing_offsets: MissingOffsets = MissingOffsets.STOP
    wait_seconds: float = 0.2
