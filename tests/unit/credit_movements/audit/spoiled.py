"""One source partition and its outcomes as the rater's own pure functions make them, to be spoiled and audited."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from confluent_kafka import Message

from credit_movements.audit.accounts import SourceAudit, SourceCount
from credit_movements.audit.clickhouse.erasure import Erasure
from credit_movements.audit.differences import Findings
from credit_movements.audit.letters import LetterAudit
from credit_movements.audit.log_partition import LogAudit
from credit_movements.audit.rating.rate_history import RateHistory
from credit_movements.audit.records import Records
from kafka_io.positions import TopicPartition
from schemas.codec import RecordCodec
from schemas.dead_letters import Reason, dead_letter_headers
from schemas.topics import CREDIT_MOVEMENTS, RATES, USAGE_EVENTS
from streams.batch import decode_batch, records_of
from streams.dedup.fingerprints import content_hashes, id_hashes
from streams.outcome import KnownIds, check_batch, classify, refusals_of
from tests.limits import LIMITS
from tests.prices import price_list
from tests.unit.schemas.test_codec import RegisteredSchemas

NOW_MILLIS = 1_760_000_000_000
# Where an offset holds no record: a transaction's marker.
GAP = b"gap"
CODECS = {topic.name: RecordCodec(topic, RegisteredSchemas()) for topic in (USAGE_EVENTS, CREDIT_MOVEMENTS, RATES)}  # type: ignore[arg-type]
CODECS_OF_SOURCE = {USAGE_EVENTS.name: CODECS[USAGE_EVENTS.name]}


def record(topic: str, offset: int, value: bytes | None, headers: Any = None) -> Message:
    return Message(
        topic=topic, partition=0, offset=offset, key=b"k", value=value, timestamp=(1, NOW_MILLIS), headers=headers or []
    )


@dataclass(frozen=True)
class Outcome:
    """Values of the source by offset; movements by log offset; dead letters as (source offset, value)."""

    rates: list[dict[str, Any]]
    source: list[bytes | None]
    movements: list[dict[str, Any]] = field(default_factory=list)
    letters: list[tuple[int, bytes | None]] = field(default_factory=list)
    first_offset: int = 0

    def changed(self, movement: int, **fields: Any) -> "Outcome":
        movements = [dict(each) for each in self.movements]
        movements[movement] |= fields
        return replace(self, movements=movements)


def rated(values: list[bytes | None], rates: list[dict[str, Any]]) -> Outcome:
    """What the rater makes of these values, all in one batch; there is one partition."""
    batch = decode_batch(
        records_of([[record(USAGE_EVENTS.name, n, value) for n, value in enumerate(values)]]), CODECS_OF_SOURCE
    )
    events, limits = batch.events, LIMITS
    ids, content = id_hashes(events), content_hashes(events)
    known = KnownIds(np.zeros(len(events), dtype=bool), np.zeros(len(events), dtype=np.uint64))
    prices = price_list(rates)
    outcomes = classify(events, check_batch(events, 1, limits), ids, content, known, prices, limits)
    refused = [refusal.row for refusal in batch.refusals] + [row for row, _, _ in refusals_of(outcomes)]
    return Outcome(rates, values, outcomes.movements.to_dicts(), [(row, values[row]) for row in sorted(refused)])


def audited(outcome: Outcome) -> tuple[SourceCount, Findings]:
    """Audit it as it would be read from the topics, in small batches."""
    findings, topic_partition = Findings(), TopicPartition(USAGE_EVENTS.name, 0)
    history = RateHistory(CODECS[RATES.name])
    rates = pl.DataFrame(outcome.rates, schema=CODECS[RATES.name].dtypes)
    history.take([record(RATES.name, n, value) for n, value in enumerate(CODECS[RATES.name].encode(rates))])
    codec = CODECS[CREDIT_MOVEMENTS.name]
    values = codec.encode(pl.DataFrame(outcome.movements, schema=codec.dtypes)) if outcome.movements else []
    log_audit = LogAudit(0, codec, history, Erasure(), findings)
    for start in range(0, len(values), 7):
        batch = [record(CREDIT_MOVEMENTS.name, n, values[n]) for n in range(start, min(start + 7, len(values)))]
        log_audit.take(Records.of(batch))
    log = log_audit.finish(outcome.movements.__getitem__)
    letter_audit = LetterAudit(topic_partition, findings)
    for number, (offset, value) in enumerate(outcome.letters):
        headers = dead_letter_headers(Reason.NO_RATE, "", USAGE_EVENTS.name, 0, offset)
        letter_audit.take([record("usage-events.dlq", number, value, headers)])
    source = SourceAudit(topic_partition, log, letter_audit.finish(), CODECS[USAGE_EVENTS.name], findings)
    end = len(outcome.source)
    for start in range(outcome.first_offset, end, 5):
        numbers = range(start, min(start + 5, end))
        source.take(
            Records.of(
                [record(USAGE_EVENTS.name, n, outcome.source[n]) for n in numbers if outcome.source[n] is not GAP]
            )
        )
    return source.finish(outcome.first_offset, end, outcome.movements.__getitem__), findings
