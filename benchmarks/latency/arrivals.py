"""When a movement was in the log, and when its row was in ClickHouse."""

import os
import re
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, TopicPartition

from credit_movements import clickhouse, clients
from credit_movements.settings import Settings
from schemas.topics import CREDIT_MOVEMENTS

LOOK_EVERY_SECONDS = 0.02
# Of a part: month, oldest and newest block, level. What was inserted later has higher blocks.
_PART = re.compile(r"\d+_\d+_\d+_\d+$")
_FOLDER = "SELECT data_paths[1] FROM system.tables WHERE database = currentDatabase() AND name = 'credit_movements'"
_NEW_PARTS = """
SELECT _part, log_partition, max(log_offset) FROM credit_movements
WHERE toUInt64(splitByChar('_', _part)[3]) > {last:UInt64} GROUP BY _part, log_partition
"""


class Arrivals:
    """The movements that come to the log from now on, and when."""

    def __init__(self, settings: Settings) -> None:
        properties = {"fetch.wait.max.ms": "5", "enable.partition.eof": False}
        self._consumer: Consumer = clients.reading_consumer(settings, "latency", **properties)
        partitions = [TopicPartition(CREDIT_MOVEMENTS.name, each) for each in range(settings.topic_partitions)]
        for each in partitions:
            _, each.offset = self._consumer.get_watermark_offsets(each, timeout=10)
        self._consumer.assign(partitions)
        self.messages: list[Any] = []
        self.at_micros: list[int] = []

    def take(self) -> None:
        """Wait a little for the first one, then take all that are here: `consume` would wait for as many as it is asked for."""
        for count, wait_seconds in ((1, 0.05), (100_000, 0)):
            found = self._consumer.consume(count, wait_seconds)
            self.at_micros += [time.time_ns() // 1000] * len(found)
            self.messages += found

    @property
    def last(self) -> dict[int, int]:
        """The last offset of each partition that something came from."""
        return {message.partition(): message.offset() for message in self.messages}

    def close(self) -> None:
        self._consumer.close()


class Rows(threading.Thread):
    """Notes how far ClickHouse's rows reach. `reached`: partition of the log → (when, its last offset that was there)."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._client = clickhouse.client(settings)
        self._enough = threading.Event()
        self._folder = Path(self._client.query(_FOLDER).result_rows[0][0])
        self._seen = set(os.listdir(self._folder))
        self._last_block = max((int(name.split("_")[2]) for name in self._seen if _PART.match(name)), default=0)
        self.reached: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def run(self) -> None:
        while not self._enough.wait(LOOK_EVERY_SECONDS):
            names = {name for name in os.listdir(self._folder) if _PART.match(name)}
            if new := names - self._seen:
                self._seen |= new
                self._ask()

    def _ask(self) -> None:
        """The end of a part's insert is when its folder got its name."""
        found = self._client.query(_NEW_PARTS, parameters={"last": self._last_block}).result_rows
        came_at = {part: (self._folder / part).stat().st_ctime_ns // 1000 for part, _, _ in found}
        for part, partition, offset in sorted(found, key=lambda row: came_at[row[0]]):
            self._last_block = max(self._last_block, int(part.split("_")[2]))
            reached = self.reached[partition]
            if not reached or reached[-1][1] < offset:
                reached.append((came_at[part], offset))

    def hold(self, last: dict[int, int]) -> bool:
        """Whether the movements of these offsets, and so all before them, are rows. `last`: by partition."""
        return all(self.reached[each][-1][1] >= offset for each, offset in last.items() if self.reached[each]) and all(
            self.reached[each] for each in last
        )

    def times(self, positions: list[tuple[int, int]]) -> npt.NDArray[np.int64]:
        """When the movements at (partition, offset) were first seen as rows, microseconds; 0: never."""
        times = []
        for partition, offset in positions:
            place = bisect_left(self.reached[partition], offset, key=itemgetter(1))
            times.append(self.reached[partition][place][0] if place < len(self.reached[partition]) else 0)
        return np.array(times)

    def finish(self) -> None:
        self._enough.set()
        self.join()
        self._client.close()
