"""Why a record could not be used, and the headers that say so on its dead letter."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """The reasons, in the order of the checks (docs/reference/CONTRACT.md, rule 3.6).

    `QUANTITY_OUT_OF_RANGE` is checked twice: at this point of the order for a negative quantity, and when the rate is known for
    one beyond the limit of its unit.
    """

    UNDECODABLE = "undecodable"
    UNKNOWN_SCHEMA = "unknown_schema"
    INVALID_EVENT = "invalid_event"
    WRONG_PARTITION = "wrong_partition"
    QUANTITY_OUT_OF_RANGE = "quantity_out_of_range"
    CONFLICT = "conflict"
    NO_RATE = "no_rate"
    CURRENCY_MISMATCH = "currency_mismatch"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    REFUND_TOO_LARGE = "refund_too_large"

    @property
    def may_pass_later(self) -> bool:
        """Whether the same bytes can be rated later, when a schema, rate or plan has been published, or the movement that they
        name has been rated."""
        return self in {Reason.UNKNOWN_SCHEMA, Reason.NO_RATE, Reason.CURRENCY_MISMATCH, Reason.REFUND_TOO_LARGE}


Headers = list[tuple[str, bytes]]


def dead_letter_headers(reason: Reason, detail: str, topic: str, partition: int, offset: int) -> Headers:
    """The `dlq.*` headers, UTF-8 texts: the reason, and the position of the record."""
    return [
        ("dlq.reason", reason.value.encode()),
        ("dlq.detail", detail.encode()),
        ("dlq.source.topic", topic.encode()),
        ("dlq.source.partition", str(partition).encode()),
        ("dlq.source.offset", str(offset).encode()),
    ]


def read_headers(headers: Iterable[tuple[str, Any]] | Mapping[str, Any] | None) -> dict[str, str]:
    """The `dlq.*` headers of a dead letter; `headers` as a Kafka client gives them.

    A dead letter that was sent again and refused again has each name twice: the last one counts.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    return {name: bytes(value).decode(errors="replace") for name, value in pairs if name.startswith("dlq.")}
