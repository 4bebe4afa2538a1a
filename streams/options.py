"""The options of a rater, without its clients."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streams.dedup.snapshots import Snapshots
from streams.missing_offsets import MissingOffsets
from streams.pricing.rating import Limits


@dataclass(frozen=True)
class RaterOptions:
    """`partitions`: how many each source topic has. `dedup_folder`: the folder of the deduplication stores. `log_id`:
    identifies the log that they are a projection of.

    `snapshots`: those of the stores in object storage, where there are any.

    `origins`: source topic → a text that identifies it and the log. `rated_with`: the settings that decide how an event ends,
    in words. Both are committed in the notes of offsets.

    `stamps_the_log`: whether the times of the log are those of the raters that write it (CreateTime), and not a broker's.
    """

    partitions: int
    dedup_folder: Path
    log_id: str
    origins: Mapping[str, str]
    limits: Limits
    batch_size: int
    rated_with: str = ""
    missing_offsets: MissingOffsets = MissingOffsets.STOP
    snapshots: Snapshots | None = None
    stamps_the_log: bool = True
    wait_seconds: float = 0.2
