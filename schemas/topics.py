"""Every topic of the contract: its record, its key, and how it is kept."""

from dataclasses import dataclass
from datetime import timedelta

DEAD_LETTER_SUFFIX = ".dlq"
EVENTS_RETENTION = timedelta(days=40)
DEAD_LETTERS_RETENTION = timedelta(days=90)
# Kafka's default. It fits: a batch of our producers has at most 1 MiB (their `batch.size`) and a header, a value 64 KiB.
LEAST_MAX_MESSAGE_BYTES = 1024 * 1024 + 12


@dataclass(frozen=True)
class Topic:
    """One Kafka topic. `record` names the Avro record of its values; None means the bytes of another topic, untouched.

    `retention` of None keeps records for ever. `partitioned_by_account` topics all have the same partition count
    (fixed for ever at the first set-up; ask Kafka for it); the others have one partition, so that they have one order.
    No topic is compacted: which record of a key stands depends on the order in which they came.
    """

    name: str
    record: str | None
    key: str
    partitioned_by_account: bool = True
    retention: timedelta | None = EVENTS_RETENTION
    log_append_time: bool = False

    @property
    def subject(self) -> str:
        """The registry subject of the topic's values (TopicNameStrategy)."""
        return f"{self.name}-value"

    def partitions(self, account_partitions: int) -> int:
        return account_partitions if self.partitioned_by_account else 1

    def config(self) -> dict[str, str]:
        """The settings that the contract asks for. All others may be as the broker has them."""
        retention_ms = -1 if self.retention is None else int(self.retention.total_seconds() * 1000)
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(retention_ms),
            "retention.bytes": "-1",
            "max.message.bytes": str(LEAST_MAX_MESSAGE_BYTES),
            "message.timestamp.type": "LogAppendTime" if self.log_append_time else "CreateTime",
        }


USAGE_EVENTS = Topic("usage-events", "UsageEvent", "account_id", log_append_time=True)
TOP_UP_EVENTS = Topic("top-up-events", "TopUpEvent", "account_id", log_append_time=True)
ADJUSTMENT_EVENTS = Topic("adjustment-events", "AdjustmentEvent", "account_id", log_append_time=True)
RATES = Topic(
    "rates",
    "Rate",
    "rate_card_id|usage_type|destination_prefix|effective_from",
    partitioned_by_account=False,
    retention=None,
)
ACCOUNT_PLANS = Topic(
    "account-plans",
    "AccountPlan",
    "account_id@effective_from",
    partitioned_by_account=False,
    retention=None,
)
CREDIT_MOVEMENTS = Topic("credit-movements", "CreditMovement", "account_id", retention=None)
EXPORT_REQUESTS = Topic("export-requests", "ExportRequest", "account_id", log_append_time=True)
EXPORT_NOTIFICATIONS = Topic("export-notifications", "ExportNotification", "account_id")
CREDIT_ALERTS = Topic("credit-alerts", "CreditAlert", "account_id")
ALERT_SETTINGS = Topic(
    "alert-settings",
    "AlertSettings",
    "account_id@effective_from",
    partitioned_by_account=False,
    retention=None,
)

# The embedded registry numbers schemas by their place here, for ever: a new topic goes to the end.
RECORD_TOPICS = (
    USAGE_EVENTS,
    TOP_UP_EVENTS,
    RATES,
    ACCOUNT_PLANS,
    CREDIT_MOVEMENTS,
    EXPORT_REQUESTS,
    EXPORT_NOTIFICATIONS,
    ADJUSTMENT_EVENTS,
    CREDIT_ALERTS,
    ALERT_SETTINGS,
)
# Anybody may publish to the others. Only the rater, the exporter and the watch write these.
_OWN = (CREDIT_MOVEMENTS, EXPORT_NOTIFICATIONS, CREDIT_ALERTS)
PUBLISHABLE = tuple(topic for topic in RECORD_TOPICS if topic not in _OWN)


def dead_letter_topic(source: Topic) -> Topic:
    """The topic of the records of `source` that could not be used. Each keeps its partition number."""
    return Topic(
        source.name + DEAD_LETTER_SUFFIX,
        None,
        source.key,
        partitioned_by_account=source.partitioned_by_account,
        retention=DEAD_LETTERS_RETENTION,
    )


DEAD_LETTER_TOPICS = tuple(
    dead_letter_topic(topic)
    for topic in (
        USAGE_EVENTS,
        TOP_UP_EVENTS,
        ADJUSTMENT_EVENTS,
        RATES,
        ACCOUNT_PLANS,
        EXPORT_REQUESTS,
        ALERT_SETTINGS,
    )
)
ALL_TOPICS = RECORD_TOPICS + DEAD_LETTER_TOPICS


def topic_named(name: str) -> Topic:
    """The topic of that name. Raises KeyError where the contract has none."""
    return {topic.name: topic for topic in ALL_TOPICS}[name]
