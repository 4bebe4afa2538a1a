"""The audit of a running system: what earlier rounds have proved is doubted by a sample, and what is new is proved.

`round` has the steps that prove, `trust` those that doubt, `checkpoint` what is kept between two rounds. The audit keeps 74
bytes of each movement and 24 of each row, for as many partitions at once as make some 4 million. It knows an event by the
rater's hash of 64 bits, and a row by a hash of its own.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final

from credit_movements import clients
from credit_movements.audit.accounts import SourceCount
from credit_movements.audit.checkpoint.folder import Checkpoint, Owner
from credit_movements.audit.clickhouse.rows import together
from credit_movements.audit.differences import Findings, Found, Kind, position_name
from credit_movements.audit.projection import LogCount
from credit_movements.audit.readers import Readers, log_partition, source_partitions
from credit_movements.audit.round import OnRead, PartitionFound, Rates, Round
from credit_movements.audit.trust import Sampled, check_offsets, counted, sample
from credit_movements.settings import Settings
from credit_movements.unreachable import UnreachableError
from schemas.topics import CREDIT_MOVEMENTS, EVENTS_RETENTION, RATES, dead_letter_topic
from streams.events.table import SOURCES

# An id is kept longer than a rater knows it, which may have another limit: by how far an event may be ahead of its record, and
# a day.
_SPARE: Final = timedelta(days=1)
_TOPICS: Final = (CREDIT_MOVEMENTS, RATES, *SOURCES, *(dead_letter_topic(topic) for topic in SOURCES))

OnProgress = Callable[[int, int], None]
"""Gets how many records were read, and about how many there are to read."""


@dataclass(frozen=True)
class Audit:
    """What an audit found. `other_rows`: rows of ClickHouse that are of other logs and could not be checked.

    `sampled`: what was proved once more. `discarded`: partition number → why its checkpoint was not used. `full_at`: since
    when all partitions have been proved from their beginning (seconds since 1970), None where one has a difference. `summed`:
    so many movements of ClickHouse were held against the sums of their blocks."""

    log_id: str
    sources: list[SourceCount]
    logs: list[LogCount]
    other_rows: int
    differences: list[Found]
    counts: dict[Kind, int]
    seconds: float
    sampled: list[Sampled] = field(default_factory=list)
    discarded: dict[int, str] = field(default_factory=dict)
    full_at: float | None = None
    summed: int = 0

    @property
    def holds(self) -> bool:
        return not self.differences

    @property
    def consumed(self) -> int:
        """Events that are accounted for."""
        return sum(each.consumed for each in self.sources)

    @property
    def proved_before(self) -> int:
        """So many of these events were proved by earlier rounds."""
        return sum(each.proved_before for each in self.sources)


class Auditor:
    """Makes audits with clients of its own, until it is closed. It writes its checkpoint, and nothing else anywhere."""

    def __init__(self, settings: Settings, stop: threading.Event, random: Random | None = None) -> None:
        """Raises UnreachableError, SettingsError."""
        self._settings = settings
        owner = _owner(settings)
        self._random = random or Random()
        self._readers = Readers(settings, owner.topic_ids[CREDIT_MOVEMENTS.name], stop)
        self._rates = Rates(self._readers)
        self._checkpoint = Checkpoint.opened(settings.data_dir, owner)

    def close(self) -> None:
        self._readers.close()
        self._checkpoint.close()

    def audit(self, on_progress: OnProgress = lambda done, of: None, full: bool = False) -> Audit:
        """Audit once: what is new and a sample of the rest, or everything.

        Raises KafkaException, RegistryUnavailableError, MovementsUnavailableError, StuckError, StoppedError, UnreachableError.
        """
        if _owner(self._settings) != self._checkpoint.owner:
            raise UnreachableError("the topics were made anew: an audit of the new ones needs new clients")
        return audit_once(self._readers, self._checkpoint, self._rates, self._random, time.time(), on_progress, full)


def audit_once(
    readers: Readers,
    checkpoint: Checkpoint,
    rates: Rates,
    random: Random,
    now_seconds: float,
    on_progress: OnProgress = lambda done, of: None,
    full: bool = False,
) -> Audit:
    """See `Auditor.audit`."""
    began = time.monotonic()
    for number in list(checkpoint.proved) if full else ():
        checkpoint.forget(number)
    check_offsets(readers, checkpoint)
    erasure = readers.erasure(now_seconds)
    sampled = sample(readers, checkpoint, erasure, random)
    row_counts, from_month = counted(readers, checkpoint, random)
    discarded, checkpoint.discarded = checkpoint.discarded, {}
    partitions, proved = checkpoint.owner.partitions, checkpoint.proved
    sizes, records = _sizes(readers, checkpoint)
    round_ = Round(readers, checkpoint, rates, erasure, now_seconds, _adding(on_progress, records))
    found: dict[int, PartitionFound] = {}
    for group in together(sizes, list(range(partitions))):
        found |= round_.audit(group, row_counts.new, from_month)
    findings = Findings.merged([each.findings for _, each in sorted(found.items())])
    for number in sorted(row_counts.new.keys() | row_counts.below.keys()):
        if not 0 <= number < partitions:
            name, said = f"{CREDIT_MOVEMENTS.name}/{number}", f"the log has {partitions} partitions"
            findings.add(Kind.SURPLUS_ROW, row_counts.new[number], [(name, "", said)])
    summed = readers.sums(from_month, _older_month(checkpoint, from_month, random), erasure)
    for number, count in summed.wrong.items():
        of_partition = [each for each in summed.examples if each.partition == number]
        examples = (
            (position_name(CREDIT_MOVEMENTS.name, number, each.block), "", each.detail) for each in of_partition
        )
        findings.add(Kind.WRONG_SUM, count, examples)
    return Audit(
        log_id=readers.log_id,
        sources=[each for _, of in sorted(found.items()) for each in of.sources],
        logs=[of.log for _, of in sorted(found.items())],
        other_rows=row_counts.of_others,
        differences=findings.found(),
        counts={kind: findings.count(kind) for kind in Kind},
        seconds=time.monotonic() - began,
        sampled=sampled,
        discarded=discarded,
        full_at=min(each.full_at for each in proved.values()) if len(proved) == partitions else None,
        summed=summed.movements,
    )


def _older_month(checkpoint: Checkpoint, from_month: int, random: Random) -> list[int]:
    """One by chance: sums of months in which nothing new can have happened are doubted by a sample."""
    older = sorted({month for proved in checkpoint.proved.values() for month in proved.months if month < from_month})
    return [random.choice(older)] if older else []


def _sizes(readers: Readers, checkpoint: Checkpoint) -> tuple[dict[int, int], int]:
    """About how many records of the log each partition number has to read, and how many records there are in all."""
    numbers, proved = range(checkpoint.owner.partitions), checkpoint.proved
    ends = readers.written_ends([log_partition(number) for number in numbers])
    sizes = {
        number: max(0, ends[log_partition(number)] - (proved[number].log_to if number in proved else 0))
        for number in numbers
    }
    sources = [each for number in numbers for each in source_partitions(number)]
    committed, begins = readers.raters_committed(numbers), readers.begins(sources)
    events = 0
    for source in sources:
        to = proved[source.partition].sources[source.topic].to if source.partition in proved else 0
        events += max(0, committed[source] - max(begins[source], to))
    return sizes, sum(sizes.values()) + events


def _owner(settings: Settings) -> Owner:
    topics = clients.topics_there(settings, _TOPICS)
    missing = [topic.name for topic in _TOPICS if topic.name not in topics]
    if missing:
        raise clients.missing_topics(settings, *missing)
    return Owner(
        {name: str(topic.topic_id) for name, topic in topics.items()},
        len(topics[CREDIT_MOVEMENTS.name].partitions),
        max(settings.event_max_age, EVENTS_RETENTION) + settings.event_max_ahead + _SPARE,
    )


def _adding(on_progress: OnProgress, of: int) -> OnRead:
    done = 0

    def on_read(count: int) -> None:
        nonlocal done
        done += count
        on_progress(min(done, of), of)

    return on_read
