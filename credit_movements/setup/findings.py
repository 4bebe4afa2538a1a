"""The topics as Kafka has them, held against the contract: pure, used by `setup` and by every worker at its start."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from schemas.topics import ACCOUNT_PLANS, ADJUSTMENT_EVENTS, CREDIT_MOVEMENTS, RATES, TOP_UP_EVENTS, USAGE_EVENTS, Topic

_FOR_EVER = -1
# If one of these loses records, events can be charged wrongly.
_HISTORIES = (RATES, ACCOUNT_PLANS, CREDIT_MOVEMENTS)
_CHARGED_BY = (*_HISTORIES, USAGE_EVENTS, TOP_UP_EVENTS, ADJUSTMENT_EVENTS)
_PRICES = (RATES, ACCOUNT_PLANS)
_MAY_BE_MORE = ("retention.ms", "retention.bytes", "max.message.bytes")
_ONLY_IF_ASKED = "message.timestamp.type"
_LOG_APPEND_TIME = "LogAppendTime"


@dataclass(frozen=True)
class TopicOnKafka:
    """A topic as Kafka describes it, and calls it. `settings`: name → text; empty where they may not be read. Settings that the
    broker does not report are missing, and are not checked."""

    topic: Topic
    name: str
    id: str
    partitions: int
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Finding:
    """Something that is not as the contract asks. `name`: what Kafka calls the topic. `setting` and `wanted`: what `setup` may
    change, None where nobody may.

    `can_charge_wrongly`: no worker may begin with it.
    """

    topic: Topic
    name: str
    what: str
    remedy: str
    can_charge_wrongly: bool
    setting: str | None = None
    wanted: str | None = None

    def __str__(self) -> str:
        return f"topic {self.name} {self.what}: {self.remedy}"


def findings(topics: Iterable[TopicOnKafka]) -> list[Finding]:
    """All that is not as the contract asks, in the order of the topics."""
    found = list(topics)
    return [*_counts(found), *(finding for each in found for finding in _settings(each))]


def compacted_away(finding: Finding) -> str | None:
    """What a person must still do after `setup` has changed the setting; None: nothing."""
    if finding.topic in _PRICES and finding.setting == "cleanup.policy":
        return (
            f"topic {finding.name} was compacted, and what was compacted away is gone: publish all"
            f" {'decks' if finding.topic is RATES else 'plans'} again, and start all raters anew, so that all have the same"
        )
    return None


def _counts(found: list[TopicOnKafka]) -> Iterator[Finding]:
    """All topics that are kept by account have equally many partitions, all others have one."""
    by_account = [each for each in found if each.topic.partitioned_by_account]
    usual = Counter(each.partitions for each in by_account).most_common(1)
    for each in by_account:
        if each.partitions != usual[0][0]:
            like = next(other for other in by_account if other.partitions == usual[0][0])
            yield Finding(
                each.topic,
                each.name,
                f"has {each.partitions} partitions, but {like.name} has {like.partitions}",
                "topics kept by account have equally many, and counts never change; delete the wrong one and run"
                " `credit-movements setup`",
                can_charge_wrongly=True,
            )
    for each in found:
        if not each.topic.partitioned_by_account and each.partitions != 1:
            yield Finding(
                each.topic,
                each.name,
                f"has {each.partitions} partitions and not 1",
                "what it holds has one order; delete it, run `credit-movements setup` and publish its records again",
                can_charge_wrongly=True,
            )


def _settings(found: TopicOnKafka) -> Iterator[Finding]:
    for setting, wanted in found.topic.config().items():
        has = found.settings.get(setting)
        if has is None or _is_as_wanted(setting, has, wanted):
            continue
        yield Finding(
            found.topic,
            found.name,
            f"has {setting}={has} and not {wanted}",
            f"{_what_it_does(setting)}; `credit-movements setup` changes it",
            _can_charge_wrongly(found.topic, setting),
            setting,
            wanted,
        )


def _is_as_wanted(setting: str, has: str, wanted: str) -> bool:
    """A topic that keeps more is fine: `setup` deletes nothing that somebody wants to keep."""
    if setting == _ONLY_IF_ASKED:
        return wanted != _LOG_APPEND_TIME or has == wanted
    if setting not in _MAY_BE_MORE:
        return has == wanted
    return _amount(has) >= _amount(wanted)


def _amount(text: str) -> float:
    return float("inf") if int(text) == _FOR_EVER else int(text)


def _can_charge_wrongly(topic: Topic, setting: str) -> bool:
    if setting == "cleanup.policy":
        return topic in _CHARGED_BY
    return topic in _HISTORIES and setting.startswith("retention.")


def _what_it_does(setting: str) -> str:
    return {
        "cleanup.policy": "records that others still have to read are deleted",
        "retention.ms": "records are deleted too soon",
        "retention.bytes": "records are deleted too soon",
        "max.message.bytes": "batches that our producers make are refused",
        _ONLY_IF_ASKED: "records have the time of their publisher's clock",
    }[setting]
