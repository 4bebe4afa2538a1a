"""The partitions that a watch has, each with its judge, and where it stands in the log.

A judge goes on where it stood: in memory, when the partition comes back after a rebalance, or by its file. It may be behind the
group's committed offset, and then judges up to there in silence: those alerts are told. It is never ahead of it: what lies
between would never be told.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kafka_io.offsets import OffsetAndNote
from kafka_io.positions import TopicPartition
from schemas.topics import ALERT_SETTINGS, CREDIT_MOVEMENTS
from streams.alerts.judging.alerts import Alert
from streams.alerts.judging.judge import Judge
from streams.alerts.settings_feed import RefusedSettings
from streams.alerts.state_file import Known, read_state, state_path, write_state

logger = logging.getLogger(__name__)

# Then a judge's file is written again: reading so many movements takes seconds.
_MOVEMENTS_BETWEEN_FILES = 1_000_000
_SETTINGS = TopicPartition(ALERT_SETTINGS.name, 0)
# All watches read all settings. The one that has this partition dead-letters those that are wrong.
_DEAD_LETTERS_SETTINGS = 0


@dataclass
class WatchedPartition:
    """`next_offset`: to read next. `silent_until`: alerts of movements below it were told. `committed`: the group's offset.
    `to_tell`: alerts that are not committed yet. `told`: the ids of those that are, None until they are read."""

    judge: Judge
    next_offset: int
    silent_until: int
    committed: int
    saved_offset: int
    told: set[str] | None = None
    to_tell: list[Alert] = field(default_factory=list)

    @property
    def to_read_back(self) -> int:
        return max(self.silent_until - self.next_offset, 0)


class WatchedPartitions:
    """`folder`: of the judges' files. `log_id`: identifies the log that they are a projection of."""

    def __init__(self, folder: Path, log_id: str) -> None:
        self._folder = folder
        self._log_id = log_id
        self._given_up: dict[int, WatchedPartition] = {}
        # Below it wrong settings are dead letters; None where another watch has to do with them.
        self._settings_offset: int | None = None
        self.now: dict[int, WatchedPartition] = {}
        """Partition number → what the watch has of it."""

    @staticmethod
    def with_offsets(partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        """Those of which a watch that gets these partitions has to know the committed offsets."""
        is_first = any(each.partition == _DEAD_LETTERS_SETTINGS for each in partitions)
        return [*partitions, *([_SETTINGS] if is_first else [])]

    def begin(self, committed: Mapping[TopicPartition, OffsetAndNote | None]) -> dict[TopicPartition, int]:
        """Have these partitions. `committed`: of `with_offsets`. Returns where to read each from."""
        for partition, answer in committed.items():
            if partition == _SETTINGS:
                self._settings_offset = 0 if answer is None else answer.offset
                continue
            # Of another log it says nothing. A broker that keeps no notes loses its topics and its offsets together.
            is_ours = answer is not None and answer.note in ("", self._log_id)
            offset = answer.offset if answer is not None and is_ours else 0
            self.now[partition.partition] = self._begun(partition.partition, offset)
        return {TopicPartition(CREDIT_MOVEMENTS.name, number): each.next_offset for number, each in self.now.items()}

    def give_up(self, numbers: list[int]) -> None:
        if _DEAD_LETTERS_SETTINGS in numbers:
            self._settings_offset = None
        for number in numbers:
            partition = self.now.pop(number, None)
            if partition is not None:
                self._save(number, partition)
                self._given_up[number] = partition

    def to_dead_letter(self, refused: Sequence[RefusedSettings]) -> list[RefusedSettings]:
        """The wrong settings that this watch has to dead-letter: those that none has dead-lettered before."""
        begin = self._settings_offset
        return [] if begin is None else [each for each in refused if each.offset >= begin]

    def offsets_to_commit(self, dead_letters: Sequence[RefusedSettings]) -> dict[TopicPartition, OffsetAndNote]:
        """`dead_letters`: which are written with them."""
        offsets = {
            TopicPartition(CREDIT_MOVEMENTS.name, number): OffsetAndNote(each.next_offset, self._log_id)
            for number, each in self.now.items()
            if each.next_offset > each.committed
        }
        return offsets | ({_SETTINGS: OffsetAndNote(dead_letters[-1].offset + 1)} if dead_letters else {})

    def to_tell(self) -> dict[int, list[Alert]]:
        return {number: each.to_tell for number, each in self.now.items() if each.to_tell}

    def note_committed(self, dead_letters: Sequence[RefusedSettings]) -> None:
        """What was to be committed is, and these are written."""
        for refused in dead_letters[-1:]:
            self._settings_offset = refused.offset + 1
        for number, each in self.now.items():
            each.told = (each.told or set()) | {alert.alert_id for alert in each.to_tell} if each.to_tell else each.told
            each.to_tell = []
            each.committed = max(each.committed, each.next_offset)
            if each.next_offset - each.saved_offset >= _MOVEMENTS_BETWEEN_FILES:
                self._save(number, each)

    def read_told(self, read: Callable[[int], set[str]]) -> None:
        """`read` gives the ids that were told in a partition."""
        for number, each in self.now.items():
            if each.told is None:
                each.told = read(number)

    def _begun(self, number: int, committed: int) -> WatchedPartition:
        kept = self._given_up.pop(number, None)
        judge, offset = Judge(), 0
        if kept is not None and kept.next_offset <= committed:
            judge, offset = kept.judge, kept.next_offset
        elif (known := read_state(state_path(self._folder, number), self._log_id)) and known.offset <= committed:
            judge, offset = self._restored(known)
        if offset < committed:
            logger.info("partition %d: judging offsets %d to %d again, without telling", number, offset, committed)
        return WatchedPartition(judge, offset, committed, committed, offset)

    def _restored(self, known: Known) -> tuple[Judge, int]:
        judge = Judge()
        judge.restore(known.columns)
        return judge, known.offset

    def _save(self, number: int, partition: WatchedPartition) -> None:
        # A file that is ahead of the committed offset would be of no use.
        if partition.saved_offset < partition.next_offset <= partition.committed:
            known = Known(partition.next_offset, partition.judge.columns())
            write_state(state_path(self._folder, number), self._log_id, known)
            partition.saved_offset = partition.next_offset
