"""Finds out all that is known of one id.

1. ClickHouse is asked for the movement of that id: it names the account, and where the event lay.
2. The event is read there. The dead letters, the source topics and the ledger's topic are looked through for other records of
   the id, within bounds.
3. The event is rated again by the rater's own functions and the published prices, and held against the ledger.
4. What touches the movement: adjustments, and the exports whose files have it.
"""

from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from credit_movements import clickhouse, clients
from credit_movements.explain.explanation import Copy, Explanation, Fields, Question, Record, checked_id
from credit_movements.explain.found import TOPICS, Found, Log, check_one_account
from credit_movements.explain.ledger_check import against_ledger
from credit_movements.explain.prices import Prices
from credit_movements.explain.records import Decoder
from credit_movements.explain.search import Search
from credit_movements.explain.steps import Rated, steps_of
from credit_movements.explain.touching import csv_line, exports_with
from credit_movements.exports.storage import export_storage
from credit_movements.rating import GROUP, limits_of
from credit_movements.settings import Settings, SettingsError
from credit_movements.setup.allowed import check_may_read
from exporter.storage.objects import StorageUnavailableError
from exporter.storage.records import ExportRecords
from kafka_io.offsets import committed_offsets
from kafka_io.positions import TopicPartition
from schemas.topics import ACCOUNT_PLANS, CREDIT_MOVEMENTS, RATES
from sinks.read.erased import PERSONAL, erased_accounts
from sinks.read.one_movement import adjustments_of, movements_of_id
from sinks.read.slice import outages_named

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_ERASED, _EXPIRED = "erased", "no longer kept"


class Explainer:
    """The clients of explanations, one after the other. Nobody else uses them meanwhile."""

    def __init__(self, settings: Settings) -> None:
        """Raises UnreachableError, RefusedError, SettingsError, OtherBrandError."""
        self._settings = settings
        there = clients.topics_there(settings, TOPICS)
        if missing := [topic.name for topic in TOPICS if topic.name not in there]:
            raise clients.missing_topics(settings, *missing)
        check_may_read(settings, *TOPICS, RATES, ACCOUNT_PLANS, watches=[GROUP])
        partitions = {name: len(topic.partitions) for name, topic in there.items()}
        self._log = Log(str(there[CREDIT_MOVEMENTS.name].topic_id), partitions)
        with ExitStack() as opened:
            self._clickhouse: Client = opened.enter_context(closing(clickhouse.checked_client(settings)))
            self._search = opened.enter_context(closing(Search(settings)))
            self._decoder = Decoder(settings)
            self._clients = opened.pop_all()

    def close(self) -> None:
        self._clients.close()

    def explain(self, asked: Question) -> Explanation:
        """Raises NotExplainedError, MovementsUnavailableError, RegistryUnavailableError, StuckError, KafkaException."""
        question = asked._replace(event_id=checked_id(asked.event_id))
        rows = movements_of_id(self._clickhouse, question.event_id, question.account_id)
        check_one_account(question, {row["account_id"] for row in rows})
        found = Found(self._search, self._decoder, self._log, question, rows[0] if rows else None)
        explanation = found.explanation(self._rated_until)
        is_erased = self._is_erased(explanation.copy.record.fields.get("account_id"))
        self._price(explanation, found.rated_at(), _ERASED if is_erased else None)
        if explanation.movement is not None:
            self._touching(explanation, explanation.movement, question.time_zone)
        return _without_personal_data(explanation) if is_erased else explanation

    def _price(self, explanation: Explanation, rated_at: int | None, hides_number: str | None) -> None:
        """Rate the event again: by the prices as they were if it was rated, else as they are."""
        movement = explanation.movement
        event = self._event(explanation.copy.record, movement)
        if event is None:
            return
        if movement is not None and event["destination"][0] is None and movement["destination_prefix"]:
            # The record is gone, and ClickHouse has forgotten the number. Of its digits the prefix is known.
            event = event.with_columns(destination=pl.lit(f"+{movement['destination_prefix']}"))
            hides_number = hides_number or _EXPIRED
        limits = limits_of(self._settings)
        prices = Prices(self._settings, self._search, self._decoder.codec, event["account_id"][0])
        today = Rated.by(prices.now(), event, limits)
        if movement is None:
            explanation.steps = steps_of(today, hides_number)
            return
        as_rated = [] if rated_at is None else prices.as_rated(rated_at)
        rated = [*(Rated.by(history, event, limits) for history in as_rated), today]
        explanation.steps, explanation.disagreements = against_ledger(movement, rated, hides_number)

    def _event(self, record: Record, movement: Fields | None) -> pl.DataFrame | None:
        event = None if record.value is None else self._decoder.event(record)
        return self._decoder.event_of_movement(movement) if event is None and movement is not None else event

    def _touching(self, explanation: Explanation, movement: Fields, time_zone: str) -> None:
        explanation.csv_line = csv_line(movement, time_zone)
        explanation.adjustments = adjustments_of(self._clickhouse, movement["account_id"], movement["movement_id"])
        try:
            records = ExportRecords(export_storage(self._settings, makes_folder=False))
            explanation.exports = exports_with(records, movement)
        # Who may read the ledger need not be allowed to read the customers' files.
        except (StorageUnavailableError, SettingsError) as error:
            explanation.exports, explanation.exports_why = None, str(error)

    def _rated_until(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        with closing(clients.group_consumer(self._settings, GROUP)) as raters:
            return committed_offsets(raters, partitions)

    def _is_erased(self, account_id: str | None) -> bool:
        with outages_named():
            return account_id in erased_accounts(self._clickhouse)


def _without_personal_data(explanation: Explanation) -> Explanation:
    """Of an erased account: the topics still have what ClickHouse has not any more, and nobody sees it here."""
    return replace(
        explanation, copy=_bare(explanation.copy), copies=[_bare(each) for each in explanation.copies], steps=[
            step for step in explanation.steps if step.name != "refused"
        ]
    )  # fmt: skip


def _bare(copy: Copy) -> Copy:
    fields, why = copy.record.fields, copy.why
    for name in PERSONAL:
        if text := fields.get(name):
            why = why.replace(text, _ERASED)
    kept = {name: value for name, value in fields.items() if name not in PERSONAL}
    return replace(copy, record=replace(copy.record, fields=kept, value=None), why=why)
