"""Two brands that share a database by mistake: the second one is refused, whatever it runs. On a real ClickHouse."""

from contextlib import closing
from pathlib import Path

import pytest

from credit_movements import clickhouse
from credit_movements.settings import Settings
from sinks.write.brand import OtherBrandError, mark_brand
from sinks.write.migrations import apply_migrations
from tests.acceptance.command import run_forked as run

WHOSE = (
    "CREDIT_CLICKHOUSE_DSN: the database {} is filled from the Kafka topics with the prefix 'acme.', and CREDIT_KAFKA_PREFIX"
    " is {}: set the right one of the two; each brand has a database of its own"
)


def settings(dsn: str, prefix: str) -> Settings:
    return Settings(clickhouse_dsn=dsn, kafka_prefix=prefix)


@pytest.fixture
def unmarked(database: str) -> str:
    """The DSN of a ledger as it was made before there were marks."""
    apply_migrations(database)
    return database


@pytest.fixture
def marked(unmarked: str) -> str:
    with closing(clickhouse.client(settings(unmarked, "acme."))) as client:
        mark_brand(client, "acme.")
    return unmarked


def test_a_ledger_without_a_mark_goes_on_and_belongs_to_the_first_setup(unmarked: str) -> None:
    for prefix in ("acme.", ""):
        assert clickhouse.check(settings(unmarked, prefix)) is False
        clickhouse.checked_client(settings(unmarked, prefix)).close()
    with closing(clickhouse.checked_client(settings(unmarked, ""))) as client:
        mark_brand(client, "")
    assert clickhouse.check(settings(unmarked, "")) is True
    with pytest.raises(OtherBrandError, match=r"with the prefix '', and CREDIT_KAFKA_PREFIX is 'acme\.'"):
        clickhouse.check(settings(unmarked, "acme."))


def test_each_who_opens_another_brands_ledger_ends_with_one_line(marked: str, tmp_path: Path) -> None:
    name = marked.rpartition("/")[2]
    for prefix in ("", "acme", "acme.eu-"):
        theirs = settings(marked, prefix)
        # `setup` before it migrates; sink, audit, balance, erase and rebuild; an exporter at its start, and when ClickHouse
        # has come back.
        for opens in (
            clickhouse.check,
            clickhouse.checked_client,
            clickhouse.check_brand_if_there,
            lambda theirs: clickhouse.client_of_brand(theirs)(),
        ):
            with pytest.raises(OtherBrandError) as refused:
                opens(theirs)
            assert str(refused.value) == WHOSE.format(name, repr(prefix))
    ours = settings(marked, "acme.")
    clickhouse.checked_client(ours).close()
    clickhouse.client_of_brand(ours)().close()
    ended = run("balance", "acme", "--data-dir", str(tmp_path), CREDIT_CLICKHOUSE_DSN=marked)
    assert (ended.returncode, ended.stderr.strip()) == (1, "credit-movements: " + WHOSE.format(name, "''"))


def test_there_is_nothing_to_refuse_before_there_are_tables(database: str) -> None:
    assert clickhouse.check(settings(database, "acme.")) is False
    clickhouse.check_brand_if_there(Settings(clickhouse_dsn="http://default:x@127.0.0.1:1/default"))
