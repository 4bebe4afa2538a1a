"""All that is ours on three brokers with TLS, passwords and least privilege; then one of the brokers is killed under load.

One test: three brokers are started once for it, and nothing else runs on them meanwhile.
"""

import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from credit_movements.settings import Settings
from tests.chaos import load
from tests.chaos.cluster.secured_world import SecuredWorld
from tests.chaos.exports import assert_each_export_ended_once
from tests.chaos.load import Load
from tests.chaos.oracle import assert_each_event_counted_once
from tests.chaos.workers import Worker
from tests.chaos.world import PARTITIONS
from tests.conftest import free_port
from tests.integration.stack import eventually
from tests.jars import NoJarsError
from tests.kafka.brokers import without_apache_kafka
from tests.kafka.follower import Follower
from tests.kafka.secured import SecuredKafka, secured_kafka

EVENTS_PER_SECOND = 60
_SECONDS = 120.0
# Kafka gives a silent broker up after 9 s; the rest is what its partitions' new leaders and our workers take.
_GOES_ON_WITHIN_SECONDS = 60.0


@pytest.fixture
def cluster(tmp_path: Path, log_dir: Path) -> Iterator[SecuredKafka]:
    try:
        with secured_kafka(tmp_path / "kafka", log_dir / "cluster", count=3) as kafka:
            yield kafka
    except NoJarsError as error:
        without_apache_kafka(str(error))


@pytest.fixture
def world(cluster: SecuredKafka, registry: str, clickhouse: str, tmp_path: Path, seed: int) -> Iterator[SecuredWorld]:
    settings = Settings(
        schema_registry_url=registry, clickhouse_dsn=clickhouse.rsplit("/", 1)[0] + f"/cluster_{uuid.uuid4().hex}",
        data_dir=tmp_path / "data", topic_partitions=PARTITIONS, rater_batch_size=200,
        sink_batch_size=200, export_storage_url=(tmp_path / "exports").as_uri(), rater_http_port=0, sink_http_port=0,
        export_link_secret="a secret of at least thirty-two bytes", export_http_port=free_port(),
    )  # fmt: skip
    with closing(SecuredWorld(cluster, settings, seed, tmp_path)) as world:
        yield world


def test_the_whole_chain_and_a_broker_that_is_killed_under_load(
    cluster: SecuredKafka, world: SecuredWorld, seed: int
) -> None:
    pick = random.Random(seed)
    workers = [
        *(
            world.worker("rate", f"rate-{name}", rater_id=name, data_dir=world.settings.data_dir / name)
            for name in "ab"
        ),
        world.worker("sink"),
        world.worker("export"),
    ]
    for worker in workers:
        worker.start()
    with Follower(world.settings, PARTITIONS) as follower, Load(world.publish, EVENTS_PER_SECOND):
        eventually(lambda: _at_work(workers), _SECONDS)
        _ask(world, pick)
        began = time.monotonic()
        eventually(lambda: follower.has_each_since(began), _SECONDS)
        victim = _busiest(cluster)
        killed_at = time.monotonic()
        cluster.kill(victim)
        _ask(world, pick)
        # All have gone on, and for a while.
        eventually(lambda: _at_work(workers) and follower.has_each_since(killed_at + 12.0), _SECONDS)
        pause = follower.longest_pause(killed_at)
        cluster.start(victim)
        back_at = time.monotonic()
        eventually(cluster.in_sync, _SECONDS)
        healed = time.monotonic() - back_at
        _ask(world, pick)
    world.flush()
    lag = world.wait_until_done("rater", "sink", "exporter")
    gave_up = [line for worker in workers for line in worker.gave_up]
    print(
        f"broker {victim} killed: the longest time without a movement of a partition is {pause:.1f} s; all copies are whole"
        f" {healed:.1f} s after it is back; no lag {lag:.1f} s after the load; {sum(world.published.values())} messages,"
        f" gave up: {gave_up}"
    )
    assert pause < _GOES_ON_WITHIN_SECONDS
    for worker in workers:
        worker.stop()
    assert_each_event_counted_once(world)
    assert_each_export_ended_once(world)


def _ask(world: SecuredWorld, pick: random.Random) -> None:
    world.ask(pick.choice(load.ACCOUNTS), str(uuid.uuid4()))


def _at_work(workers: list[Worker]) -> bool:
    for worker in workers:
        worker.start_again_if_it_gave_up()
    return all(worker.was_at_work() for worker in workers)


def _busiest(cluster: SecuredKafka) -> int:
    """The broker that leads the groups' offsets and the transactions, if one does both; else of these two the one that leads
    more."""
    topics = cluster.admin().list_topics(timeout=10).topics
    leads = Counter(each.leader for topic in topics.values() for each in topic.partitions.values())
    coordinators = Counter(topics[name].partitions[0].leader for name in ("__consumer_offsets", "__transaction_state"))
    return max(coordinators, key=lambda id_: (coordinators[id_], leads[id_]))
