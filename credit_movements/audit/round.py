"""One round over some partition numbers: each is proved from where its checkpoint ends, or from the beginning.

The system goes on while it is audited. So each step notes an offset, and a later step reads beyond it. Each step takes all
partitions of a group at once.

1. Note the sink's committed offsets.
2. Read the rows of ClickHouse. All of them came from the log, which step 4 reads later.
3. Note the raters' committed offsets, then the ends of the log and of the dead letters, open transactions included. The
   outcome of every event before the raters' offsets lies before these ends.
4. Read the log and the dead letters to these ends at least, and wait for open transactions to end. A movement that no known
   rate gives is computed again with the newest rates.
5. Read the source topics to the raters' offsets, and account for each event.
6. Where nothing is wrong, cut: see `checkpoint.cut`. The next round begins there.

A partition with a difference keeps the checkpoint that it had. So the next round comes upon the difference again, for as long
as it is there.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from credit_movements.audit.accounts import SourceAudit, SourceCount
from credit_movements.audit.checkpoint.advance import proved_after, with_before
from credit_movements.audit.checkpoint.cut import Outcomes, cut
from credit_movements.audit.checkpoint.folder import Checkpoint
from credit_movements.audit.checkpoint.proved import ProvedSource
from credit_movements.audit.clickhouse.erasure import Erasure
from credit_movements.audit.clickhouse.rows import ALL_MONTHS, NO_END, Rows, check_whole
from credit_movements.audit.differences import Findings, Kind
from credit_movements.audit.letters import LetterAudit, Letters
from credit_movements.audit.log_partition import Known, LogAudit, LogPartition, nothing_known
from credit_movements.audit.projection import LogCount, ProjectionAudit
from credit_movements.audit.rating.rate_history import RateHistory
from credit_movements.audit.readers import Readers, letters_of, log_partition, source_partitions
from credit_movements.audit.records import MOST_TOGETHER, Records
from kafka_io.positions import TopicPartition, position_of
from kafka_io.reading import Span
from schemas.topics import CREDIT_MOVEMENTS, RATES

OnRead = Callable[[int], None]
"""Gets how many records were read since the last call."""


class Rates:
    """The rates that were published, read on when asked for."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._read_to = 0
        self.history = RateHistory(readers.codecs[RATES.name])

    def read_on(self) -> None:
        """Take in the rates that were published since the last call."""
        for messages in self._readers.new_rates(self._read_to):
            self.history.take(messages)
            self._read_to = position_of(messages[-1]).next_offset


@dataclass(frozen=True)
class PartitionFound:
    """What a round found of one partition number."""

    sources: list[SourceCount]
    log: LogCount
    findings: Findings


class Round:
    """Proves partitions, and moves `checkpoint` on. `now_seconds`: when the round began."""

    def __init__(
        self,
        readers: Readers,
        checkpoint: Checkpoint,
        rates: Rates,
        erasure: Erasure,
        now_seconds: float,
        on_read: OnRead,
    ) -> None:
        self._erasure = erasure
        self._readers = readers
        self._checkpoint = checkpoint
        self._rates = rates
        self._now_seconds = now_seconds
        self._on_read = on_read

    def audit(self, group: list[int], new_rows: dict[int, int], from_month: int) -> dict[int, PartitionFound]:
        """By partition number. `new_rows`: how many rows of ClickHouse lie behind each checkpoint; none of them occurred before
        `from_month`. Raises what `Auditor.audit` does."""
        readers = self._readers
        sink_committed = readers.sink_committed(group)
        spans = {number: Span(self._log_begin(number), NO_END) for number in group}
        rows = readers.rows(spans, sink_committed, self._erasure.kept_from, from_month)
        check_whole(rows, new_rows)
        committed = readers.raters_committed(group)
        findings = {number: Findings() for number in group}
        logs, letters, log_ends, letter_ends = self._read_outcomes(group, findings)
        accounts, firsts = self._account(group, committed, logs, letters, findings)
        found = {}
        for number in group:
            log = self._projected(logs[number], rows[number], sink_committed[number], from_month, findings[number])
            sources = []
            for source in source_partitions(number):
                first, movement_at = firsts[source], readers.movement_at(number)
                sources.append(accounts[source].finish(first, committed[source], movement_at))
            made = None
            if findings[number].total == 0:
                made = cut(
                    {each.topic: _moved(logs[number], each) for each in source_partitions(number)},
                    {each.topic: _lettered(letters[each]) for each in source_partitions(number)},
                    min(sink_committed[number], log_ends[number]),
                    {each.topic: letter_ends[each] for each in source_partitions(number)},
                    {each.topic: committed[each] for each in source_partitions(number)},
                )
            proved = self._checkpoint.proved.get(number)
            found[number] = PartitionFound(*with_before(sources, log, proved), findings[number])
            if made is not None:
                of_number = {each: (accounts[each], firsts[each]) for each in source_partitions(number)}
                new, settled = proved_after(proved, made, logs[number], of_number, self._now_seconds)
                columns = (settled[name].to_numpy() for name in ("id", "content", "occurred_at"))
                self._checkpoint.advance(number, new, *columns)
        return found

    def _log_begin(self, number: int) -> int:
        proved = self._checkpoint.proved.get(number)
        return 0 if proved is None else proved.log_to

    def _proved(self, source: TopicPartition) -> ProvedSource:
        proved = self._checkpoint.proved.get(source.partition)
        return ProvedSource() if proved is None else proved.sources[source.topic]

    def _known(self, number: int) -> Known:
        ids = self._checkpoint.ids(number)
        return nothing_known if ids is None else ids.look_up

    def _read_outcomes(
        self, group: list[int], findings: dict[int, Findings]
    ) -> tuple[dict[int, LogPartition], dict[TopicPartition, Letters], dict[int, int], dict[TopicPartition, int]]:
        """Logs and dead letters, and how far each was read."""
        sources = [each for number in group for each in source_partitions(number)]
        begins = {log_partition(number): self._log_begin(number) for number in group}
        begins |= {letters_of(source): self._proved(source).letters_to for source in sources}
        ends, oldest = self._readers.written_ends(begins), self._readers.begins(begins)
        spans = {each: Span(max(begin, oldest[each]), ends[each]) for each, begin in begins.items()}
        self._rates.read_on()
        codec = self._readers.codecs[CREDIT_MOVEMENTS.name]
        logs = {
            number: LogAudit(number, codec, self._rates.history, self._erasure, findings[number]) for number in group
        }
        letters = {letters_of(each): LetterAudit(each, findings[each.partition]) for each in sources}
        gathered: dict[int, Records] = defaultdict(Records)
        reached = {each: span.begin for each, span in spans.items()}
        for partition, messages in self._readers.records_to_end(spans):
            self._on_read(len(messages))
            reached[partition] = position_of(messages[-1]).next_offset
            if partition in letters:
                letters[partition].take(messages)
                continue
            gathered[partition.partition].add(messages, with_times=True)
            if len(gathered[partition.partition]) >= MOST_TOGETHER:
                logs[partition.partition].take(gathered.pop(partition.partition))
        for number, records in gathered.items():
            logs[number].take(records)
        if any(log.has_doubts for log in logs.values()):
            # The newest movements may use rates that were published since the rates were read.
            self._rates.read_on()
        return (
            {
                number: log.finish(self._readers.movement_at(number), self._known(number))
                for number, log in logs.items()
            },
            {source: letters[letters_of(source)].finish() for source in sources},
            {number: reached[log_partition(number)] for number in group},
            {source: reached[letters_of(source)] for source in sources},
        )

    def _account(
        self,
        group: list[int],
        committed: dict[TopicPartition, int],
        logs: dict[int, LogPartition],
        letters: dict[TopicPartition, Letters],
        findings: dict[int, Findings],
    ) -> tuple[dict[TopicPartition, SourceAudit], dict[TopicPartition, int]]:
        """The accounts of each source partition, and its first event that was read."""
        sources = [each for number in group for each in source_partitions(number)]
        oldest = self._readers.begins(sources)
        accounts, spans = {}, {}
        for source in sources:
            of_number, proved_to = findings[source.partition], self._proved(source).to
            first = max(oldest[source], proved_to)
            if first > committed[source]:
                said = f"up to {first - committed[source]} events, from offset {committed[source]}"
                of_number.add(
                    Kind.EXPIRED, first - committed[source], [(f"{source.topic}/{source.partition}", "", said)]
                )
            spans[source] = Span(first, committed[source])
            accounts[source] = SourceAudit(
                source,
                logs[source.partition],
                letters[source],
                self._readers.codecs[source.topic],
                of_number,
                self._known(source.partition),
                proved_to,
            )
        gathered: dict[TopicPartition, Records] = defaultdict(Records)
        for source, messages in self._readers.records(spans):
            self._on_read(len(messages))
            gathered[source].add(messages)
            if len(gathered[source]) >= MOST_TOGETHER:
                accounts[source].take(gathered.pop(source))
        for source, records in gathered.items():
            accounts[source].take(records)
        return accounts, {source: span.begin for source, span in spans.items()}

    def _projected(
        self, log: LogPartition, rows: Rows, sink_committed: int, from_month: int, findings: Findings
    ) -> LogCount:
        readers, number = self._readers, log.number

        def compared(rows: Rows, findings: Findings) -> LogCount:
            audit = ProjectionAudit(readers.rows_at, readers.movement_at(number), findings)
            return audit.compare(log, rows, sink_committed)

        if from_month == ALL_MONTHS:
            return compared(rows, findings)
        first_look = Findings()
        count = compared(rows, first_look)
        if first_look.total == 0:
            return count
        # A row that occurred when it cannot have is looked for everywhere before it is missing. What came since is left out.
        end = max(sink_committed, int(log.table["log_offset"].to_numpy().max(initial=-1)) + 1)
        span, until = {number: Span(self._log_begin(number), end)}, {number: sink_committed}
        older = readers.rows(span, until, self._erasure.kept_from, ALL_MONTHS, from_month)[number]
        table = pl.concat([older.table, rows.table]).sort("log_offset", "row")
        return compared(Rows(table, older.sums + rows.sums), findings)


def _moved(log: LogPartition, source: TopicPartition) -> Outcomes:
    mine = log.of_source(source.topic)
    return Outcomes(mine["log_offset"].to_numpy(), mine["source_offset"].to_numpy())


def _lettered(letters: Letters) -> Outcomes:
    return Outcomes(letters.offsets, letters.source_offsets)
