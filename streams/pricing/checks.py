"""Every check that a decoded event can fail, with the reason and the sentence for the dead letter."""

from enum import Enum, unique
from typing import Any

from schemas.adjustments import KINDS, MOST_REASON_CHARACTERS
from schemas.dead_letters import Reason
from schemas.usage import DIRECTIONS
from streams.pricing.rates import EARLIEST_MICROS, LATEST_MICROS, rfc3339

_MAX_DETAIL_CHARACTERS = 500


@unique
class Check(Enum):
    """The checks in their order (docs/reference/CONTRACT.md, rule 3.6). The event's columns fill the sentences."""

    EVENT_ID = (Reason.INVALID_EVENT, "event_id {event_id!r} is no canonical lower-case UUID")
    ACCOUNT_ID = (Reason.INVALID_EVENT, "account_id must be 1 to 128 characters")
    INTERACTION_ID = (Reason.INVALID_EVENT, "interaction_id must be 1 to 128 characters")
    USER_ID = (Reason.INVALID_EVENT, "user_id must be null or 1 to 128 characters")
    DIRECTION = (Reason.INVALID_EVENT, f"direction {{direction!r}} is neither null nor one of {', '.join(DIRECTIONS)}")
    FROM_NUMBER = (Reason.INVALID_EVENT, "from_number must be null or 1 to 128 characters")
    CAMPAIGN_ID = (Reason.INVALID_EVENT, "campaign_id must be null or 1 to 128 characters")
    KIND = (Reason.INVALID_EVENT, f"kind {{kind!r}} is none of {', '.join(KINDS)}")
    CORRECTED = (Reason.INVALID_EVENT, "movement_id {corrected_movement_id!r} is no canonical lower-case UUID")
    REASON = (Reason.INVALID_EVENT, f"reason must be null or at most {MOST_REASON_CHARACTERS} characters")
    TIME = (Reason.INVALID_EVENT, "occurred_at {occurred_at} microseconds lies beyond the times that can be stored")
    TOO_OLD = (
        Reason.INVALID_EVENT,
        "occurred_at {occurred_at} lies too long before the newest record of its partition, {newest_at}",
    )
    FORGOTTEN = (Reason.INVALID_EVENT, "occurred_at {occurred_at} lies before the ids that its partition remembers")
    TOO_EARLY = (Reason.INVALID_EVENT, "occurred_at {occurred_at} lies too far after its record's {recorded_at}")
    PARTITION = (Reason.WRONG_PARTITION, "account {account_id!r} does not belong to partition {partition}")
    NEGATIVE = (Reason.QUANTITY_OUT_OF_RANGE, "quantity {quantity} is negative")
    CONFLICT = (
        Reason.CONFLICT,
        "event_id was seen with other content: {known_content:016x} stands, this one is {content_hash:016x}",
    )
    NO_CARD = (Reason.NO_RATE, "account {account_id!r} is on no rate card that has rates")
    NO_RATE = (Reason.NO_RATE, "no rate for usage type {usage_type!r} to {destination!r} at {occurred_at}")
    QUANTITY = (Reason.QUANTITY_OUT_OF_RANGE, "quantity {quantity} is over the limit of its unit")
    CURRENCY = (Reason.CURRENCY_MISMATCH, "an amount in {currency!r} for an account whose card has another currency")
    AMOUNT = (Reason.AMOUNT_OUT_OF_RANGE, "a movement must be below 1e18 nanos, a top-up above 0, an adjustment not 0")
    NO_MOVEMENT = (Reason.REFUND_TOO_LARGE, "the account has no movement {corrected_movement_id} yet")
    REFUND = (
        Reason.REFUND_TOO_LARGE,
        "{amount_nanos} nanos are more than what movement {corrected_movement_id} took, less what was given back before",
    )

    @property
    def reason(self) -> Reason:
        reason: Reason = self.value[0]
        return reason

    def detail(self, event: dict[str, Any]) -> str:
        """The sentence for one event, given as its columns."""
        sentence: str = self.value[1]
        if event.get("destination") is None:
            sentence = sentence.replace("to {destination!r}", "without a destination")
        return sentence.format(**{name: _readable(name, value) for name, value in event.items()})[
            :_MAX_DETAIL_CHARACTERS
        ]


def _readable(column: str, value: Any) -> Any:
    """A time as people read it, if it is one that can be written so. Other values stay as they are."""
    is_time = column.endswith("_at") and value is not None and EARLIEST_MICROS <= value <= LATEST_MICROS
    return rfc3339(value) if is_time else value


CHECKS = tuple(Check)
