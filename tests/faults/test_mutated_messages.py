"""Whatever bytes stand in the public topics: each message is a movement, a duplicate or a dead letter, and nothing crashes."""

from collections import Counter
from pathlib import Path

import polars as pl

from schemas.topics import CREDIT_MOVEMENTS, TOP_UP_EVENTS, USAGE_EVENTS, Topic
from tests.faults.mutations import mutated
from tests.faults.rater_process import RaterProcess
from tests.faults.world import World
from tests.integration.records import event, header, top_up
from tests.integration.stack import eventually

SEED = 20_260_801
USAGE, TOP_UPS = 8_000, 2_000
MOST_MEMORY_BYTES = 600 * 1024 * 1024

TopicPartition = tuple[str, int, int]


def encoded(world: World, topic: Topic, records: list[dict[str, object]]) -> list[bytes]:
    codec = world.stack.codec(topic)
    return codec.encode(pl.DataFrame(records, schema=codec.dtypes))


def publish_spoiled(world: World) -> None:
    usage, top_ups = [event(number) for number in range(USAGE)], [top_up(number) for number in range(TOP_UPS)]
    good = {USAGE_EVENTS: encoded(world, USAGE_EVENTS, usage), TOP_UP_EVENTS: encoded(world, TOP_UP_EVENTS, top_ups)}
    for seed, (topic, other, records) in enumerate(
        [(USAGE_EVENTS, TOP_UP_EVENTS, usage), (TOP_UP_EVENTS, USAGE_EVENTS, top_ups)], SEED
    ):
        for record, value in zip(records, mutated(seed, good[topic], good[other]), strict=True):
            world.stack.send(topic, value, str(record["account_id"]))
    world.stack.flush()


def moved(world: World) -> list[TopicPartition]:
    """Where the events of all movements lay."""
    values = [message.value() for message in world.stack.read(CREDIT_MOVEMENTS.name)]
    rows = world.stack.codec(CREDIT_MOVEMENTS).decode(values).rows
    return list(rows.select("source_topic", "source_partition", "source_offset").iter_rows())


def dead_lettered(world: World) -> dict[TopicPartition, bytes | None]:
    """Where the dead letters lay before, and their bytes."""
    letters = {}
    for topic in (USAGE_EVENTS, TOP_UP_EVENTS):
        for message in world.stack.read(f"{topic.name}.dlq"):
            at = [int(header(message, f"dlq.source.{name}")) for name in ("partition", "offset")]
            assert header(message, "dlq.source.topic") == topic.name
            letters[(topic.name, at[0], at[1])] = message.value()
    return letters


def published(world: World) -> dict[TopicPartition, bytes | None]:
    return {
        (topic.name, int(message.partition() or 0), int(message.offset() or 0)): message.value()
        for topic in (USAGE_EVENTS, TOP_UP_EVENTS)
        for message in world.stack.read(topic.name)
    }


def test_ten_thousand_spoiled_messages_are_each_a_movement_a_duplicate_or_a_dead_letter(
    world: World, tmp_path: Path
) -> None:
    publish_spoiled(world)
    rater = RaterProcess(world.settings, tmp_path)
    try:
        eventually(lambda: rater.exit_status is not None or world.stack.is_rated())
        # A batch is counted a moment after it is committed.
        eventually(lambda: rater.count("credit_events_consumed_total") >= USAGE + TOP_UPS)
        names = ("events_consumed", "movements", "duplicates", "dead_letters")
        consumed, movements, duplicates, dead_letters = (rater.count(f"credit_{name}_total") for name in names)
        memory_bytes = rater.most_memory_bytes()
        rater.stop()
    finally:
        rater.wait_or_kill(0.0)
    assert consumed == USAGE + TOP_UPS == movements + duplicates + dead_letters
    source, once, letters = published(world), moved(world), dead_lettered(world)
    assert (len(source), len(once), len(letters)) == (consumed, movements, dead_letters)
    assert max(Counter(once).values()) == 1
    assert not letters.keys() & set(once)
    assert letters == {topic_partition: source[topic_partition] for topic_partition in letters}
    assert movements > 1_000
    assert dead_letters > 5_000
    assert memory_bytes < MOST_MEMORY_BYTES
    assert "a flood of dead letters: " in rater.log_path.read_text()


def test_one_bad_message_among_a_thousand_costs_the_others_nothing(world: World) -> None:
    values = encoded(world, USAGE_EVENTS, [event(number, account_id="acme") for number in range(1_000)])
    values[500] = values[500][:-3]
    for value in values:
        world.stack.send(USAGE_EVENTS, value, "acme")
    world.stack.flush()
    world.stack.rate_everything()
    assert world.in_log() == (999, 999)
    assert dead_lettered(world) == {
        ("usage-events", topic_partition[1], 500): values[500] for topic_partition in moved(world)
    }
