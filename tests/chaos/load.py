"""Made-up traffic from a seed: good events, and among them repetitions, contradictions and messages that are wrong."""

import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas.topics import ADJUSTMENT_EVENTS, TOP_UP_EVENTS, USAGE_EVENTS, Topic
from tests.integration.records import DAY, rate

Record = dict[str, Any]

ACCOUNTS = [f"acct-{number}" for number in range(12)]
RATES = [
    rate(),
    rate(destination_prefix="49", price_nanos=123_400, price_units=60, initial_increment=30, increment=6),
    rate(destination_prefix="49", price_nanos=999, effective_from=time.time_ns() // 1000 - 10 * DAY),
    rate(destination_prefix="4915", price_nanos=0),
    rate(usage_type="sms", unit="fragments", initial_increment=1, increment=1, price_nanos=75_000_000),
    rate(rate_card_id="gold", unit="minutes", unit_size=60, price_nanos=30_000_000, currency="USD"),
]
PLANS = [{"account_id": ACCOUNTS[0], "rate_card_id": "gold", "effective_from": 0}]
CURRENCIES = {account: "USD" if account == ACCOUNTS[0] else "EUR" for account in ACCOUNTS}
_REMEMBERED = 20_000


@dataclass(frozen=True)
class Sent:
    """A message as it was published; `partition` of None: its account's."""

    topic: Topic
    account_id: str
    value: bytes | None
    partition: int | None = None


class Traffic:
    """Messages without end, the same for the same seed but for the day. `meaning`: what each one was before it was bytes:
    a record, or the reason for which it is none. `adjusts`: whether adjustments are among what comes next."""

    def __init__(self, seed: int, encode: Callable[[Topic, Record], bytes], partition_of: Callable[[str], int]) -> None:
        self._random = random.Random(seed)
        self._encode = encode
        self._partition_of = partition_of
        self._now = time.time_ns() // 1000
        self._sent: list[tuple[Topic, Record]] = []
        self.meaning: dict[tuple[str, bytes | None], Record | str] = {}
        self.adjusts = True

    def __iter__(self) -> "Traffic":
        return self

    def __next__(self) -> Sent:
        kinds = {
            self._usage: 58, self._top_up: 10, self._adjustment: 4 * self.adjusts, self._again: 14, self._contradiction: 4,
            self._spoiled: 4, self._bad: 4, self._misplaced: 2,
        }  # fmt: skip
        (make,) = self._random.choices(list(kinds), list(kinds.values()))
        return make()

    def _usage(self, **fields: Any) -> Sent:
        return self._of(USAGE_EVENTS, self._usage_record() | fields)

    def _top_up(self) -> Sent:
        account = self._random.choice(ACCOUNTS)
        amount = self._random.randrange(1, 10**11)
        currency = CURRENCIES[account] if self._random.random() < 0.95 else "JPY"
        return self._of(TOP_UP_EVENTS, self._common(account) | {"amount_nanos": amount, "currency": currency})

    def _adjustment(self) -> Sent:
        """Of either sign, and mostly of a movement that was published before."""
        account = self._random.choice(ACCOUNTS)
        of_account = [record["event_id"] for _, record in self._sent[-100:] if record["account_id"] == account]
        adjusted = {
            "kind": self._random.choice(["refund", "chargeback", "correction", "gift"]),
            "amount_nanos": self._random.randrange(-(10**9), 10**9),
            "currency": CURRENCIES[account],
            "movement_id": self._random.choice([None, *of_account]),
            "reason": self._random.choice([None, "the line was bad"]),
        }
        return self._of(ADJUSTMENT_EVENTS, self._common(account) | adjusted)

    def _again(self) -> Sent:
        """Half of the repetitions come soon, the others whenever."""
        if not self._sent:
            return self._usage()
        recent = self._sent[-100:] if self._random.random() < 0.5 else self._sent
        topic, record = self._random.choice(recent)
        return self._of(topic, record)

    def _contradiction(self) -> Sent:
        if not self._sent:
            return self._usage()
        topic, record = self._random.choice(self._sent)
        field = "quantity" if topic is USAGE_EVENTS else "amount_nanos"
        return self._of(topic, record | {field: record[field] + 1})

    def _bad(self) -> Sent:
        changes = (
            {"usage_type": "fax"}, {"quantity": -1}, {"interaction_id": ""}, {"quantity": 72 * 3600 + 1},
            {"event_id": str(self._uuid()).upper()}, {"occurred_at": self._now - 36 * DAY},
        )  # fmt: skip
        return self._usage(**self._random.choice(changes))

    def _misplaced(self) -> Sent:
        sent = self._usage()
        return Sent(sent.topic, sent.account_id, sent.value, self._partition_of(sent.account_id) ^ 1)

    def _spoiled(self) -> Sent:
        record = self._usage_record()
        good = self._encode(USAGE_EVENTS, record)
        value, reason = self._random.choice(
            [
                (None, "undecodable"),
                (good + b"!", "undecodable"),
                (b"\x01" + good[1:], "undecodable"),
                (good[:1] + (2 * 10**9).to_bytes(4, "big") + good[5:], "unknown_schema"),
            ]
        )
        self.meaning[USAGE_EVENTS.name, value] = reason
        return Sent(USAGE_EVENTS, record["account_id"], value)

    def _of(self, topic: Topic, record: Record) -> Sent:
        value = self._encode(topic, record)
        self.meaning[topic.name, value] = record
        self._sent.append((topic, record))
        del self._sent[:-_REMEMBERED]
        return Sent(topic, record["account_id"], value)

    def _usage_record(self) -> Record:
        pick = self._random
        is_call = pick.random() < 0.7
        return self._common(pick.choice(ACCOUNTS)) | {
            "usage_type": "call" if is_call else "sms",
            "quantity": pick.randrange(0, 600) if is_call else pick.randrange(1, 5),
            "destination": pick.choice(["+4930123", "+4915112", "+1555", None]),
            "user_id": pick.choice([None, "anna"]),
        }

    def _common(self, account: str) -> Record:
        return {
            "event_id": str(self._uuid()),
            "account_id": account,
            "interaction_id": f"interaction-{self._random.randrange(10**9)}",
            "occurred_at": self._now - self._random.randrange(0, 29 * DAY),
        }

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128), version=4)


class Load:
    """Calls `publish` again and again from a thread, `per_second` times each second, until the block ends."""

    def __init__(self, publish: Callable[[int], None], per_second: int) -> None:
        self._publish = publish
        self._per_second = per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        self._error: BaseException | None = None

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        began, published = time.monotonic(), 0
        try:
            while not self._stop.wait(0.05):
                due = int((time.monotonic() - began) * self._per_second)
                self._publish(due - published)
                published = due
        except BaseException as error:
            self._error = error
            raise
