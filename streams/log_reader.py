"""Brings a store up to date from the log `credit-movements`."""

import logging
import threading
from collections.abc import Mapping

import numpy as np
from confluent_kafka import Consumer, Message, TopicPartition

from schemas.codec import RecordCodec, UndecodableError
from schemas.topics import CREDIT_MOVEMENTS
from streams.events import events_of_movements
from streams.fingerprints import content_hashes, id_hashes
from streams.poll import Place, position_of, sorted_out
from streams.seen_store import SeenStore

logger = logging.getLogger(__name__)

_BATCH = 20_000
_WAIT_SECONDS = 0.1
_PROGRESS_EVERY = 1_000_000


class LogReader:
    """Reads `credit-movements` for the stores. `consumer` is this reader's alone: `read_committed`, `enable.partition.eof`."""

    def __init__(self, consumer: Consumer, codec: RecordCodec) -> None:
        self._consumer = consumer
        self._codec = codec

    def catch_up(self, stores: Mapping[int, SeenStore], stop: threading.Event) -> dict[int, int]:
        """Add to the store of each partition every movement from where it stands to the end of the log.

        A transaction that is still open there is waited for: its offsets may be committed already while its movements
        are not to be read yet, for Kafka marks its end in one partition after the other. One of a rater that is gone
        Kafka aborts after the transaction's time-out.

        Returns the end of each partition. Raises KafkaException, RegistryUnavailableError, OutOfRangeError for a store that
        is ahead of the log, and UndecodableError for a movement that is none: the rater
        alone writes this log, so that would be a bug.
        """
        places = [
            TopicPartition(CREDIT_MOVEMENTS.name, number, store.reached_offset) for number, store in stores.items()
        ]
        self._consumer.assign(places)
        log_ends: dict[int, int] = {}
        read = 0
        while len(log_ends) < len(stores) and not stop.is_set():
            messages = self._consumer.consume(_BATCH, _WAIT_SECONDS)
            movements, ends = sorted_out(messages)
            self._add(stores, movements)
            log_ends |= {place.partition: end for place, end in ends.items() if self._is_the_end(place, end)}
            if (read + len(movements)) // _PROGRESS_EVERY > read // _PROGRESS_EVERY:
                logger.info("%d movements read back from the log", read + len(movements))
            read += len(movements)
        # Or it would go on fetching what this rater itself writes.
        self._consumer.unassign()
        return log_ends

    def _is_the_end(self, place: Place, offset: int) -> bool:
        # Of the answer that brought us to `offset`: up to where records are written, committed or not.
        _, written = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
        if offset < written:
            logger.warning(
                "%s, partition %d: waiting for the end of an open transaction; if that takes minutes, it hangs, readers see"
                " nothing after it, and `kafka-transactions.sh find-hanging` tells more",
                *place,
            )
        return offset >= written

    def _add(self, stores: Mapping[int, SeenStore], messages: list[Message]) -> None:
        decoded = self._codec.decode([message.value() for message in messages])
        if decoded.refusals:
            raise UndecodableError(decoded.refusals[0])
        events = events_of_movements(decoded.rows)
        ids, content, occurred_at = id_hashes(events), content_hashes(events), events["occurred_at"].to_numpy()
        partitions = np.array([message.partition() for message in messages], dtype=np.int64)
        for number in np.unique(partitions).tolist():
            rows = np.flatnonzero(partitions == number)
            _, last_offset = position_of(messages[rows[-1]])
            stores[number].add(ids[rows], content[rows], occurred_at[rows], last_offset + 1)
