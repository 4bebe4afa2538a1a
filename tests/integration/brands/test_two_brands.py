"""Two brands on one Kafka and one registry: the whole chain works for each, and neither sees anything of the other.

Both get the same events, ids and accounts, so whatever one took from the other would be a duplicate, a doubled row, a wrong sum
or a line too many in a file. One brand's prefix is the beginning of the other's.
"""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx2
import pytest
from confluent_kafka.admin import AdminClient

from credit_movements import clients
from credit_movements.embedded.services import registry_service
from credit_movements.settings import Settings
from credit_movements.supervision.processes import running
from schemas.topics import ALL_TOPICS, RECORD_TOPICS
from tests.chaos.exports import assert_each_export_ended_once
from tests.chaos.load import ACCOUNTS
from tests.chaos.oracle import assert_each_event_counted_once
from tests.chaos.world import PARTITIONS, World
from tests.conftest import free_port
from tests.kafka.brokers import empty

BRANDS = ("acme.", "acme.eu-")
SEED = 13
EVENTS = 400


@pytest.fixture
def registry_of_brands(tmp_path: Path) -> Iterator[str]:
    """A registry that has the subjects of the brands, and none without a prefix."""
    port = free_port()
    with running(registry_service(port, *BRANDS), tmp_path):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def worlds(
    apache_broker: str, registry_of_brands: str, clickhouse: str, tmp_path: Path
) -> Iterator[list[tuple[str, World]]]:
    """The worlds of both brands; all that is not Kafka and the registry is each brand's own."""
    empty(apache_broker)
    with ExitStack() as stack:
        yield [
            (prefix, stack.enter_context(closing(World(settings, SEED, settings.data_dir))))
            for prefix in BRANDS
            for settings in [_settings(prefix, apache_broker, registry_of_brands, clickhouse, tmp_path / prefix)]
        ]


def _settings(prefix: str, kafka: str, registry: str, clickhouse: str, folder: Path) -> Settings:
    return Settings(
        kafka_bootstrap_servers=kafka, kafka_prefix=prefix, kafka_session_timeout_ms=6000, schema_registry_url=registry,
        clickhouse_dsn=clickhouse.rsplit("/", 1)[0] + f"/brand_{uuid.uuid4().hex}", topic_partitions=PARTITIONS,
        data_dir=folder, rater_id="same", export_storage_url=(folder / "exports").as_uri(),
        export_link_secret="a secret of at least thirty-two bytes", rater_http_port=0, sink_http_port=0,
        export_http_port=free_port(),
    )  # fmt: skip


def test_neither_of_two_brands_sees_anything_of_the_other(
    worlds: list[tuple[str, World]], apache_broker: str, registry_of_brands: str
) -> None:
    for _, world in worlds:
        for command in ("rate", "sink", "export"):
            world.worker(command).start()
    # The second brand's events come after the first one's have been rated and stored.
    request_id = str(uuid.uuid4())
    for _, world in worlds:
        world.publish(EVENTS)
        world.ask(ACCOUNTS[1], request_id)
        world.stack.flush()
        world.wait_until_done("rater", "sink", "exporter")
    for _, world in worlds:
        assert_each_event_counted_once(world)
        assert_each_export_ended_once(world)
    _assert_names(apache_broker, registry_of_brands)


def _assert_names(apache_broker: str, registry: str) -> None:
    """Each name has a brand's prefix, and each brand has all of its names."""
    admin = AdminClient({"bootstrap.servers": apache_broker})
    topics = {name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")}
    assert topics == {brand + topic.name for brand in BRANDS for topic in ALL_TOPICS}
    groups = {group.group_id for group in admin.list_consumer_groups().result(10).valid}
    assert groups == {brand + group for brand in BRANDS for group in ("rater", "sink", "exporter")}
    subjects = set(httpx2.get(f"{registry}/subjects").json())
    assert subjects == {brand + topic.subject for brand in BRANDS for topic in RECORD_TOPICS}


def test_a_command_that_lacks_its_prefix_says_which_topics_it_misses(worlds: list[tuple[str, World]]) -> None:
    ((_, world), _) = worlds
    for prefix in ("", "acm", "acme.us-"):
        settings = world.settings.model_copy(update={"kafka_prefix": prefix})
        with pytest.raises(clients.UnreachableError, match=rf"^Kafka lacks the topics {prefix}credit-movements: run"):
            clients.log_identity(settings)
