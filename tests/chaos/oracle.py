"""The oracle says what must become of everything that was published. The log and ClickHouse are held against it.

The oracle gets the events one by one, in the order of each partition, as they were before they were encoded.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from confluent_kafka import Message

from credit_movements.demo.oracle import NANO, Oracle
from kafka_io.positions import TopicPartition, position_of
from schemas.topics import ADJUSTMENT_EVENTS, CREDIT_MOVEMENTS, TOP_UP_EVENTS, USAGE_EVENTS, dead_letter_topic
from tests.chaos import load
from tests.chaos.world import PARTITIONS, World
from tests.integration.records import header

SOURCES = (USAGE_EVENTS, TOP_UP_EVENTS, ADJUSTMENT_EVENTS)
_ROWS = """
SELECT log_partition, log_offset, toString(movement_id), account_id, toUnixTimestamp64Micro(occurred_at),
    reinterpretAsInt64(credit_movement)
FROM credit_movements FINAL WHERE log_id = {log_id:String}
"""
_EXAMPLES = 5

Event = tuple[str, int, int]
"""Topic, partition and offset of an event."""
Outcome = tuple[Any, ...]


@dataclass(frozen=True)
class Mark:
    """How far the topics went at a moment: what came before does not count."""

    ends: Mapping[TopicPartition, int]

    def has_passed(self, topic: str, partition: int, offset: int) -> bool:
        return offset < self.ends.get(TopicPartition(topic, partition), 0)


FROM_THE_START = Mark({})


def mark(world: World) -> Mark:
    return Mark(world.ends((*SOURCES, CREDIT_MOVEMENTS)))


def assert_each_event_counted_once(world: World, since: Mark = FROM_THE_START) -> None:
    """Each event has exactly the one outcome that the oracle gives it, in the log; ClickHouse has the rows of the log; and
    the sums of the accounts are those of the oracle, in both."""
    wanted = {event: outcome for event, outcome in expected_outcomes(world).items() if not since.has_passed(*event)}
    lines = [(*position_of(message), line) for message, line in movements(world)]
    new = [
        (topic_partition.partition, offset, line)
        for topic_partition, offset, line in lines
        if not since.has_passed(*topic_partition, offset)
    ]
    found = defaultdict(list, {event: [] for event in wanted})
    for _, _, line in new:
        found[line["source_topic"], line["source_partition"], line["source_offset"]].append(_moved(line))
    for event, letter in _dead_letters(world):
        if not since.has_passed(*event):
            found[event].append(letter)
    agree("outcomes", wanted, found)
    in_log = Counter((number, offset, *_row(line)) for number, offset, line in new)
    rows = world.client.query(_ROWS, parameters={"log_id": world.log_id}).result_rows
    in_clickhouse = Counter(tuple(row) for row in rows if not since.has_passed(CREDIT_MOVEMENTS.name, row[0], row[1]))
    agree("rows", in_log, in_clickhouse)
    balances = _sums(
        (outcome[-1], outcome[1]) for (outcome,) in filter(None, wanted.values()) if outcome[0] == "movement"
    )
    agree(
        "sums in the log",
        balances,
        _sums((line["account_id"], line["credit_movement_nanos"] * NANO) for *_, line in new),
    )
    agree("sums in ClickHouse", balances, _sums((row[3], row[5] * NANO) for row in in_clickhouse.elements()))


def expected_outcomes(world: World) -> dict[Event, list[Outcome]]:
    """The oracle's word on every event of the source topics, which hold what was published and nothing else."""
    world.flush()
    oracle = Oracle(load.RATES, load.PLANS, partitions=PARTITIONS)
    outcomes: dict[Event, list[Outcome]] = {}
    stored: Counter[tuple[str, bytes | None]] = Counter()
    newest_at: defaultdict[TopicPartition, int] = defaultdict(int)
    for topic in SOURCES:
        for message in world.stack.read(topic.name):
            topic_partition, offset = position_of(message)
            newest_at[topic_partition] = max(newest_at[topic_partition], message.timestamp()[1] * 1000)
            stored[topic.name, message.value()] += 1
            outcomes[topic.name, topic_partition.partition, offset] = _outcomes_of(
                oracle, world.traffic.meaning[topic.name, message.value()], message, newest_at[topic_partition]
            )
    agree("published messages", world.published, stored)
    return outcomes


def _outcomes_of(oracle: Oracle, meaning: dict[str, Any] | str, message: Message, newest_at: int) -> list[Outcome]:
    if isinstance(meaning, str):
        return [("refused", meaning, message.value())]
    position = {
        "source_topic": message.topic(), "partition": message.partition(), "offset": message.offset(),
        "recorded_at": message.timestamp()[1] * 1000, "newest_at": newest_at,
    }  # fmt: skip
    kind, result = oracle.outcome({"user_id": None, "quantity": 0} | meaning | position)
    if kind == "movement":
        return [(kind, *result, meaning["event_id"], meaning["account_id"])]
    return [] if kind == "duplicate" else [(kind, result, message.value())]


def movements(world: World) -> list[tuple[Message, dict[str, Any]]]:
    """The log, decoded."""
    messages = world.stack.read(CREDIT_MOVEMENTS.name)
    decoded = world.stack.codec(CREDIT_MOVEMENTS).decode([message.value() for message in messages])
    assert decoded.refusals == []
    return list(zip(messages, decoded.rows.drop("row").to_dicts(), strict=True))


def _moved(line: dict[str, Any]) -> Outcome:
    """A movement in the words of `_outcomes_of`."""
    rate = None if line["unit"] == "" else (line["destination_prefix"], line["rate_effective_from"])
    amounts = line["credit_movement_nanos"] * NANO, line["units_charged"], line["unit"]
    return "movement", *amounts, rate, line["movement_id"], line["account_id"]


def _dead_letters(world: World) -> Iterator[tuple[Event, Outcome]]:
    for topic in SOURCES:
        for letter in world.stack.read(dead_letter_topic(topic).name):
            position = [header(letter, f"dlq.source.{name}") for name in ("topic", "partition", "offset")]
            yield (
                (position[0], int(position[1]), int(position[2])),
                ("refused", header(letter, "dlq.reason"), letter.value()),
            )


def _row(line: dict[str, Any]) -> Outcome:
    return line["movement_id"], line["account_id"], line["occurred_at"], line["credit_movement_nanos"]


def _sums(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for account_id, amount in amounts:
        sums[account_id] += amount
    return dict(sums)


def agree(what: str, wanted: Mapping[Any, Any], found: Mapping[Any, Any]) -> None:
    """The same keys with the same values; fails with how many differ, and examples of it."""
    different = [key for key in {**wanted, **found} if wanted.get(key) != found.get(key)]
    examples = [f"{key}: wanted {wanted.get(key)}, found {found.get(key)}" for key in different[:_EXAMPLES]]
    assert not different, "\n".join([f"{len(different)} {what} differ, such as", *examples])
