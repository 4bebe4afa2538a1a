"""Publishing rates and account plans: all of a file or nothing of it, checked against all that is published.

1. Open a transaction with the id that all publishers of prices share. This fences the others: none of them can commit any more.
2. Read both topics to their ends, by the same rules as the raters.
3. Compare the whole file with that. With one fault nothing is published.
4. Publish in one transaction what is not published already.
5. Read both topics on, because a client that is not ours may have published between 2 and 4. For every rater the first
   record stands. If another client's came first, this step says so.

Whoever stops it is told whether anything was published.
"""

import threading
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from confluent_kafka import KafkaError, KafkaException, Producer

from credit_movements import clients
from credit_movements.publishing.published import Published
from credit_movements.publishing.records import NotDeliveredError, send_all
from credit_movements.settings import Settings
from credit_movements.setup import topics as kafka_topics
from kafka_io.errors import UserError
from kafka_io.reading import StoppedError
from schemas.topics import ACCOUNT_PLANS, RATES, Topic
from streams.events.sorted_keys import NONE
from streams.pricing.deck.fault import LINE, Fault
from streams.pricing.history import PriceHistory

Mask = npt.NDArray[np.bool_]

_SECONDS = 30.0
# Each sentence takes half a millisecond, and a file may have a million plans.
_MOST_PLANS_TOLD = 1_000
_OVERTAKEN = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_TXN_STATE,
}

_SOMEBODY_ELSE = "somebody else began to publish prices, and nothing was published: repeat it"

# Takes what is being done, and to how many records it was done so far.
OnProgress = Callable[[str, int], None]


class RefusedPricesError(Exception):
    """The raters would refuse a line of the file, so nothing was published. `faults`: at least one, by line; `count`: how many
    there are, of which some may not be among them."""

    def __init__(self, faults: list[Fault], count: int) -> None:
        super().__init__(str(faults[0]))
        self.faults = faults
        self.count = count


class StoppedPublishingError(UserError):
    """Somebody stopped it. The sentence says whether anything was published."""


@dataclass(frozen=True)
class PublishedPrices:
    """How many records were sent, and how many of the file were published already. `warnings`: of lines that may be meant."""

    sent: int
    unchanged: int
    warnings: list[Fault]


def publish_prices(
    settings: Settings,
    topic: Topic,
    records: pl.DataFrame,
    stop: threading.Event | None = None,
    on_progress: OnProgress = lambda *_: None,
) -> PublishedPrices:
    """Publish rates or account plans, all or nothing. `records`: the columns of the record, and `line`.

    Raises RefusedPricesError, NotDeliveredError, UnreachableError, TopicSettingsError, StuckError; StoppedPublishingError where
    `stop` is set.
    """
    stop = stop or threading.Event()
    so_far = "nothing was published"
    try:
        clients.check_kafka(settings)
        kafka_topics.checked(settings, (RATES, ACCOUNT_PLANS))
        producer = clients.price_producer(settings, len(records))
        producer.init_transactions(_SECONDS)
        published = Published(settings, stop, lambda count: on_progress("reading what is published", count))
        published.read_on()
        compared = deepcopy(published.history)
        new = _held_against(compared, topic, records)
        warnings = _warnings(compared, topic, records)
        if len(new):
            _publish(settings, producer, topic, new, stop, on_progress)
            so_far = "all is published, and was not read back"
            published.read_on()
            _check_that_it_stands(published.history, topic, new)
        return PublishedPrices(len(new), len(records) - len(new), warnings)
    except StoppedError:
        raise StoppedPublishingError(f"stopped: {so_far}") from None


def _held_against(history: PriceHistory, topic: Topic, records: pl.DataFrame) -> pl.DataFrame:
    """The records that say something new. Puts them into `history`. Raises RefusedPricesError."""
    history.decide_plans()
    lines, rows = records[LINE], records.drop(LINE)
    if topic is RATES:
        taken = history.put_rates(rows)
        is_new, refused, plan_numbers = taken.is_new, taken.refused, np.full(len(rows), NONE)
    else:
        is_new = _cards_differ(rows, history.standing_plans())
        plan_numbers, refused = history.put_plans(rows)
    faults = [Fault(lines[row], column, message) for row, why in refused.items() for column, message in why.faults]
    out_of_force = history.decide_plans().tolist()
    if faults or out_of_force:
        plan_lines = dict(zip(plan_numbers.tolist(), lines, strict=True)) if out_of_force else {}
        for number in out_of_force[:_MOST_PLANS_TOLD]:
            line = plan_lines[number] if number in plan_lines else _to_blame(history, number, records)
            faults += [Fault(line, column, message) for column, message in history.why_refused(number).faults]
        raise RefusedPricesError(sorted(faults), len(faults) + len(out_of_force[_MOST_PLANS_TOLD:]))
    return records.filter(pl.Series(is_new, dtype=pl.Boolean))


def _cards_differ(plans: pl.DataFrame, published: pl.DataFrame) -> Mask:
    """Which plans are not published, or with another card."""
    keys = ["account_id", "effective_from"]
    found = plans.join(published, on=keys, how="left", maintain_order="left", suffix="_published")
    return found["rate_card_id"].ne_missing(found["rate_card_id_published"]).to_numpy()


def _to_blame(history: PriceHistory, number: int, records: pl.DataFrame) -> int:
    """The first line of the records by which a published plan would no longer stand."""
    firsts = records.select("rate_card_id", LINE).unique("rate_card_id", keep="first")
    first_lines: dict[str, int] = dict(firsts.iter_rows())
    return next(first_lines[card] for card in history.cards_that_decide(number) if card in first_lines)


def _publish(
    settings: Settings,
    producer: Producer,
    topic: Topic,
    records: pl.DataFrame,
    stop: threading.Event,
    on_progress: OnProgress,
) -> None:
    def go_on(count: int) -> None:
        on_progress("publishing", count)
        if stop.is_set():
            raise StoppedError(f"stopped after {count} of {len(records)} records")

    codec = clients.codec(settings, topic)
    producer.begin_transaction()
    try:
        send_all(producer, codec, topic, records.drop(LINE), go_on)
        producer.commit_transaction(_SECONDS)
    except (NotDeliveredError, StoppedError):
        try:
            producer.abort_transaction(_SECONDS)
        except KafkaException as failure:
            if failure.args[0].code() in _OVERTAKEN:
                raise NotDeliveredError(_SOMEBODY_ELSE) from None
        raise
    except KafkaException as failure:
        if failure.args[0].code() in _OVERTAKEN:
            raise NotDeliveredError(_SOMEBODY_ELSE) from None
        raise NotDeliveredError(
            f"Kafka did not take the end of it ({failure.args[0].str()}): repeat it; what is published is not published twice"
        ) from failure


def _check_that_it_stands(history: PriceHistory, topic: Topic, records: pl.DataFrame) -> None:
    """Raises RefusedPricesError for records that another client published differently at the same moment."""
    if topic is RATES:
        taken = history.put_rates(records.drop(LINE))
        overtaken = sorted({*taken.refused, *np.flatnonzero(taken.is_first).tolist()})
    else:
        history.decide_plans()
        records = records.unique(["account_id", "effective_from"], keep="last", maintain_order=True)
        overtaken = np.flatnonzero(_cards_differ(records.drop(LINE), history.standing_plans())).tolist()
    if overtaken:
        said = "another client published otherwise in the same moment, and that stands"
        faults = [Fault(line, "effective_from", said) for line in records[LINE].gather(overtaken)]
        raise RefusedPricesError(faults, len(faults))


def _warnings(history: PriceHistory, topic: Topic, records: pl.DataFrame) -> list[Fault]:
    if topic is RATES:
        return []
    without_rates = records.filter(~pl.col("rate_card_id").is_in(list(history.currencies)))
    return [
        Fault(line, "rate_card_id", f"card {card!r} has no rates: till it has, nothing is charged")
        for line, card in without_rates.select(LINE, "rate_card_id").iter_rows()
    ]
