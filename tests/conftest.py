"""Real servers for the tests, each started once: brokers, ClickHouse and registry on free ports.

The same tests run against servers of your own: name them in CREDIT_TEST_KAFKA_BOOTSTRAP_SERVERS,
CREDIT_TEST_CLICKHOUSE_DSN and CREDIT_TEST_SCHEMA_REGISTRY_URL. They must be empty and hold nothing of value.
"""

import gc
import os
import shutil
import socket
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from credit_movements.commands.main import OBJECTS_BEFORE_A_COLLECTION
from credit_movements.embedded.services import clickhouse_dsn, clickhouse_service, registry_service
from credit_movements.settings import Settings
from credit_movements.setup.provision import register_subjects
from credit_movements.supervision.processes import running
from sinks.write.migrations import apply_migrations
from tests.apicurio.server import apicurio_registry, registry_url
from tests.azure.server import AzureServer, azure_server
from tests.clickhouse import cluster
from tests.clickhouse.databases import own_database
from tests.google.server import GoogleServer, google_server
from tests.jars import NoJarsError, not_tested_on
from tests.kafka.apache_kafka import apache_kafka
from tests.kafka.brokers import APACHE_KAFKA, BROKERS, OWN, TANSU, Kafka, empty, tansu, without_apache_kafka
from tests.kafka.secured import SecuredKafka, secured_kafka
from tests.s3.server import S3Server, s3_server

MEMORY = Path("/dev/shm")
# A run writes a few hundred megabytes.
ENOUGH_BYTES, LARGE_MACHINE_BYTES = 4 * 1024**3, 12 * 1024**3


def write_into_memory() -> None:
    """Servers force what they write onto the disk, and a topic of Kafka is four files for each of its partitions: a test waited
    three seconds for its topics alone, and now one. No test is about a machine that loses its power. TMPDIR names
    another folder.
    """
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if "TMPDIR" in os.environ or memory_bytes < LARGE_MACHINE_BYTES or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


write_into_memory()
# A busy machine is slow, and that is no fault of what is tested.
hypothesis_settings.register_profile("no deadline", deadline=None)
hypothesis_settings.load_profile("no deadline")
# In front of all names where a test has a brand of its own.
PREFIX = "acme.eu-"
THOROUGH_FOLDERS = {"acceptance", "chaos", "crashes", "faults", "sabotage"}
# What a test asks for by fixture or parameter that needs a JVM, Node, a browser, LibreOffice or Prometheus. Google's storage
# needs none of them; it goes with the other clouds.
PROGRAMS = {
    *(APACHE_KAFKA, "apache_broker", "apache_kafka_alone", "secured_broker"),
    *("s3", "azure", "google", "apicurio", "apicurio_alone", "browser", "spreadsheet", "promtool"),
}


# Thousands of tests are many objects, and all stay.
gc.set_threshold(OBJECTS_BEFORE_A_COLLECTION)


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """A rater that has ended is a cycle, as are a future and what it raised: their clients of Kafka live until a collection,
    and ask all the while for brokers that may be gone. A worker of the tests had a hundred such threads, and half a processor
    went to them."""
    before = _threads()
    done = yield
    if _threads() > before:
        gc.collect()
    return done


def _threads() -> int:
    """Of this process, those too that Python does not know."""
    return len(os.listdir("/proc/self/task"))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody used a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is thorough: a folder of such tests, or a test that needs more than Python and make."""
    for item in items:
        if THOROUGH_FOLDERS & set(item.path.parts) or PROGRAMS & set(_arguments(item)):
            item.add_marker("thorough")


def _arguments(item: pytest.Item) -> list[str]:
    """The names of a test's fixtures, and what it is parametrized by."""
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return [*getattr(item, "fixturenames", ()), *(value for value in values if isinstance(value, str))]


@pytest.fixture(scope="session")
def log_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers of this test run write what they have to say."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def broker(log_dir: Path) -> Iterator[str]:
    """The bootstrap address of the embedded broker. It is shared: use topics and groups of your own."""
    if OWN:
        yield OWN
        return
    with tansu(log_dir) as kafka:
        yield kafka.bootstrap_servers


@pytest.fixture(scope="session")
def apache_broker(log_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of Apache Kafka; without a JVM and Maven what needs it is skipped, on CI it fails."""
    try:
        with apache_kafka(tmp_path_factory.mktemp("apache-kafka"), log_dir) as started:
            yield started.bootstrap_servers
    except NoJarsError as error:
        without_apache_kafka(str(error))


@pytest.fixture(scope="session")
def secured_broker(log_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """One broker of Apache Kafka with TLS, passwords and ACLs. It is shared: use topics and groups of your own."""
    try:
        with secured_kafka(tmp_path_factory.mktemp("secured-kafka"), log_dir / "secured", count=1) as kafka:
            yield kafka
    except NoJarsError as error:
        without_apache_kafka(str(error))


@pytest.fixture(params=BROKERS)
def shared_kafka(request: pytest.FixtureRequest) -> Kafka:
    """Each broker in turn. It is shared: use topics and groups of your own."""
    is_tansu = request.param == TANSU
    address: str = request.getfixturevalue("broker" if is_tansu or OWN else "apache_broker")
    return Kafka(address, is_tansu)


@pytest.fixture(params=BROKERS)
def kafka(request: pytest.FixtureRequest, log_dir: Path) -> Iterator[Kafka]:
    """Each broker in turn, for one test alone: it has no topics and no groups."""
    if request.param == TANSU:
        with tansu(log_dir) as alone:
            yield alone
    else:
        address: str = request.getfixturevalue("broker" if OWN else "apache_broker")
        empty(address)
        yield Kafka(address)


@pytest.fixture(scope="session")
def registry(log_dir: Path) -> Iterator[str]:
    """The URL of a Confluent-compatible schema registry that holds the contract's schemas; with PREFIX too, if it is not one of
    your own."""
    if own := os.environ.get("CREDIT_TEST_SCHEMA_REGISTRY_URL"):
        yield own
        return
    port = free_port()
    with running(registry_service(port, "", PREFIX), log_dir):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def clickhouse(log_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DSN of a ClickHouse server. It is shared: use a database or tables of your own."""
    if own := os.environ.get("CREDIT_TEST_CLICKHOUSE_DSN"):
        yield own
        return
    port, password = free_port(), "a-password-for-tests"
    with running(clickhouse_service(tmp_path_factory.mktemp("clickhouse"), port, password), log_dir):
        yield clickhouse_dsn(port, password)


@pytest.fixture(scope="session")
def clickhouse_of_a_cluster(log_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DSN of an embedded ClickHouse with a cluster of one shard and a disk for backups. It is shared, as above."""
    port, password, folder = free_port(), "a-password-for-tests", tmp_path_factory.mktemp("clickhouse")
    with running(clickhouse_service(folder / "data", port, password, cluster.configured(folder)), log_dir):
        yield clickhouse_dsn(port, password)


@pytest.fixture
def database(clickhouse: str) -> Iterator[str]:
    """The DSN of an empty database for one test alone."""
    with own_database(clickhouse, "test") as dsn:
        yield dsn


@pytest.fixture(params=["one server", "cluster"])
def tables(request: pytest.FixtureRequest) -> Iterator[str]:
    """The DSN of a database with the tables of each form in turn, for one test alone."""
    of_cluster = request.param == "cluster"
    server = request.getfixturevalue("clickhouse_of_a_cluster" if of_cluster else "clickhouse")
    with own_database(server, "tables") as dsn:
        if of_cluster:
            cluster.make_tables(dsn)
        else:
            apply_migrations(dsn)
        yield dsn


@pytest.fixture(scope="session")
def s3(log_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server with one bucket. It is shared: use folders of your own. Without a JVM and Maven: as Apache Kafka."""
    try:
        with s3_server(tmp_path_factory.mktemp("s3"), log_dir) as server:
            yield server
    except NoJarsError as error:
        not_tested_on("an S3 server", str(error))


@pytest.fixture(scope="session")
def azure(log_dir: Path) -> Iterator[AzureServer]:
    """Azure's emulator with one container. It is shared: use folders of your own. Without Node: as Apache Kafka."""
    try:
        with azure_server(log_dir) as server:
            yield server
    except NoJarsError as error:
        not_tested_on("Azure's emulator", str(error))


@pytest.fixture(scope="session")
def google(log_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleServer]:
    """An emulator of Google's storage with one bucket. It is shared: use folders of your own."""
    try:
        with google_server(tmp_path_factory.mktemp("google"), log_dir) as server:
            yield server
    except NoJarsError as error:
        not_tested_on("an emulator of Google's storage", str(error))


@pytest.fixture(scope="session")
def apicurio(log_dir: Path) -> Iterator[str]:
    """The URL of Apicurio's registry, in which `setup` has registered the contract's schemas. It is shared: change none of
    their subjects. Without a JVM and Maven: as Apache Kafka."""
    try:
        with apicurio_registry(log_dir) as port:
            register_subjects(Settings(schema_registry_url=registry_url(port)))
            yield registry_url(port)
    except NoJarsError as error:
        not_tested_on("Apicurio Registry", str(error))


@pytest.fixture
def not_on_tansu(request: pytest.FixtureRequest) -> None:
    """The test is known to fail on Tansu, and must not pass there."""
    (fixture,) = {"kafka", "shared_kafka"} & set(request.fixturenames)
    if request.getfixturevalue(fixture).is_tansu:
        request.applymarker(pytest.mark.xfail(reason="Tansu 0.6", strict=True))
