"""More partitions by a new prefix, as docs/production/upgrades.md says it: the ledger and the prices are copied, and the raters
go on from there."""

import json
import threading
from collections import defaultdict
from pathlib import Path

import pytest
from pydantic import SecretStr

from credit_movements.audit.auditor import Auditor
from credit_movements.settings import Settings
from credit_movements.setup.provision import make_topics
from examples import copy_to_prefix
from kafka_io.positions import position_of
from schemas.partitioner import account_partition
from schemas.topics import ACCOUNT_PLANS, CREDIT_MOVEMENTS, RATES, TOP_UP_EVENTS, USAGE_EVENTS
from sinks.write.migrations import apply_migrations
from streams.missing_offsets import MissingOffsets
from streams.offsets import MisplacedOffsetError
from tests.conftest import PREFIX
from tests.integration.records import event, header, rate, top_up
from tests.integration.stack import Stack

MORE_PARTITIONS = 7
ACCOUNTS = [f"acct-{number}" for number in range(20)]
PLAN = {"account_id": ACCOUNTS[0], "rate_card_id": "gold", "effective_from": 0}
CALLS = [event(number, account_id=ACCOUNTS[number % len(ACCOUNTS)]) for number in range(60)]
PAYMENTS = [top_up(number, account_id=account) for number, account in enumerate(ACCOUNTS[1:])]


@pytest.fixture
def successor(stack: Stack, tmp_path: Path) -> Settings:
    """The settings of the new prefix."""
    return stack.settings.model_copy(
        update={
            "kafka_prefix": "" if stack.settings.kafka_prefix else PREFIX,
            "topic_partitions": MORE_PARTITIONS,
            "data_dir": tmp_path / "new",
        }
    )


def test_an_account_s_history_goes_on_in_topics_with_more_partitions(
    stack: Stack, successor: Settings, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.publish_priced(RATES, rate(), rate(rate_card_id="gold", price_nanos=7))
    stack.publish_priced(ACCOUNT_PLANS, PLAN)
    stack.publish(USAGE_EVENTS, *CALLS)
    stack.publish(TOP_UP_EVENTS, *PAYMENTS)
    stack.rate_everything()
    before = balances(stack)
    make_topics(successor)
    with pytest.raises(SystemExit, match=r"misspelt\.rates: .*UNKNOWN_TOPIC_OR_PART"):
        copied(stack, successor, tmp_path, "misspelt.")
    assert copied(stack, successor, tmp_path) is None
    assert f"{successor.kafka_prefix}credit-movements: 79 records" in capsys.readouterr().out
    with Stack(successor) as new:
        # Publishers go on, and send again what they are not sure of.
        new.publish(USAGE_EVENTS, *CALLS[40:], event(1000, account_id=ACCOUNTS[0]), event(1001, account_id=ACCOUNTS[1]))
        new.publish(TOP_UP_EVENTS, PAYMENTS[3])
        # A rater does not believe a ledger that its group has no offsets for, until it is told.
        with pytest.raises(MisplacedOffsetError, match="--missing-offsets=earliest"):
            new.rate_everything()
        new.rate_everything(MissingOffsets.EARLIEST)
        assert [header(letter, "dlq.reason") for letter in new.read("usage-events.dlq")] == []
        after = balances(new)
        # The new calls, each by its account's card, and nothing else.
        assert after.pop(ACCOUNTS[0]) == before.pop(ACCOUNTS[0]) - 120 * 7
        assert after.pop(ACCOUNTS[1]) == before.pop(ACCOUNTS[1]) - 120 * 1000
        assert after == before
        _assert_in_their_partitions(new)
        assert audited(successor, database) == {"no_source", "not_its_event", "false_duplicate"}
    with pytest.raises(SystemExit, match="is not empty"):
        copied(stack, successor, tmp_path)


def copied(stack: Stack, successor: Settings, folder: Path, from_prefix: str | None = None) -> None:
    config = folder / "kafka.json"
    config.write_text(json.dumps({"bootstrap.servers": successor.kafka_bootstrap_servers}))
    old = stack.settings.kafka_prefix if from_prefix is None else from_prefix
    prefixes = ["--from", old, "--to", successor.kafka_prefix]
    copy_to_prefix.main(["--config", str(config), *prefixes])


def audited(successor: Settings, database: str) -> set[str]:
    """The kinds of differences that docs/production/upgrades.md tells of: copied movements name events of the old topics."""
    apply_migrations(database)
    auditor = Auditor(successor.model_copy(update={"clickhouse_dsn": SecretStr(database)}), threading.Event())
    try:
        return {each.kind.value for each in auditor.audit(full=True).differences}
    finally:
        auditor.close()


def balances(stack: Stack) -> dict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for movement in stack.records(CREDIT_MOVEMENTS):
        sums[movement["account_id"]] += movement["credit_movement_nanos"]
    return dict(sums)


def _assert_in_their_partitions(stack: Stack) -> None:
    for message in stack.read(CREDIT_MOVEMENTS.name):
        account_id = stack.codec(CREDIT_MOVEMENTS).decode_one(message.value())["account_id"]
        assert position_of(message).topic_partition.partition == account_partition(account_id, MORE_PARTITIONS)
