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
from streams.poll import position_of, sorted_out
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

    def catch_up(self, stores: Mapping[int, SeenStore], stop: threading.Event) -> None:
        """Add to the store of each partition every movement from where it stands to the end of the log.

        Raises KafkaException, RegistryUnavailableError, and UndecodableError for a movement that is none: the rater
        alone writes this log, so that would be a bug.
        """
        places = [
            TopicPartition(CREDIT_MOVEMENTS.name, number, store.reached_offset) for number, store in stores.items()
        ]
        self._consumer.assign(places)
        at_end: set[int] = set()
        read = 0
        while len(at_end) < len(stores) and not stop.is_set():
            messages = self._consumer.consume(_BATCH, _WAIT_SECONDS)
            movements, ends = sorted_out(messages)
            self._add(stores, movements)
            at_end |= {place.partition for place in ends}
            if (read + len(movements)) // _PROGRESS_EVERY > read // _PROGRESS_EVERY:
                logger.info("%d movements read back from the log", read + len(movements))
            read += len(movements)

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
