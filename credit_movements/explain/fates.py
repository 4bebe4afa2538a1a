"""What became of each record with an id. Pure."""

from collections.abc import Callable, Iterable, Mapping

from credit_movements.dead_letters.letter import Letter
from credit_movements.explain.explanation import Copy, Fate, Place, Record
from kafka_io.positions import TopicPartition
from schemas.dead_letters import Reason

_AGAIN = "then send it again: `credit-movements dead-letters replay --reason {reason}`"
_PUBLISH = "let its publisher mend it and publish it again; no id of it was remembered"
WHAT_TO_DO: Mapping[str, str] = {
    Reason.UNKNOWN_SCHEMA: f"let `credit-movements setup` register the schema, {_AGAIN}",
    Reason.NO_RATE: f"publish the rate or the account's plan that is missing, {_AGAIN}",
    Reason.CURRENCY_MISMATCH: f"correct the account's plan if it is wrong, {_AGAIN}; else {_PUBLISH}",
    Reason.WRONG_PARTITION: "let its publisher choose partitions by murmur2 of the account; `credit-movements dead-letters"
    " replay --reason wrong_partition` sends this one to the right partition",
    Reason.REFUND_TOO_LARGE: f"give back less, as another event; if it came before the movement that it names, {_AGAIN}",
    Reason.CONFLICT: "nothing, if the first event was right; else correct it by an adjustment. Another event needs another id",
}

IsSame = Callable[[Record, Record], bool]


def fates(
    records: Iterable[Record],
    letters: Iterable[tuple[Letter, Record]],
    own: Record | None,
    rated_until: Mapping[TopicPartition, int],
    is_same: IsSame,
) -> list[Copy]:
    """What became of these records and letters of one id, in the order of their places.

    `own`: the record of the movement that the id has, None where it has none. `rated_until`: where the raters' group goes on.
    `is_same`: whether two records have the same content.
    """
    refused = {record.place: (letter, record) for letter, record in letters}
    seen = {record.place: record for record in records}
    return [
        _fate(place, seen.get(place), refused.get(place), own, rated_until, is_same)
        for place in sorted({*seen, *refused})
        if own is None or place != own.place
    ]


def rated(own: Record) -> Copy:
    """Of the record that became the movement."""
    why = "rated: it became the movement"
    return Copy(own, Fate.MOVEMENT, why if own.recorded_at is not None else f"{why} (the record itself is gone by now)")


def _fate(
    place: Place,
    record: Record | None,
    refused: tuple[Letter, Record] | None,
    own: Record | None,
    rated_until: Mapping[TopicPartition, int],
    is_same: IsSame,
) -> Copy:
    if refused is not None:
        letter, of_letter = refused
        return Copy(record or of_letter, Fate.DEAD_LETTER, _refused(letter, own), letter.name)
    assert record is not None
    if place.offset >= rated_until.get(place.partition, 0):
        return Copy(record, Fate.WAITING, "not rated yet: the raters have not come to it")
    if own is None:
        why = "the raters have passed it; neither its movement nor its dead letter is in what was looked through"
        return Copy(record, Fate.UNKNOWN, why)
    if is_same(own, record):
        return Copy(record, Fate.DUPLICATE, f"dropped: the same event as {own.place.name}, which was charged once")
    why = f"not the content of {own.place.name}: a conflict; its dead letter is not in what was looked through"
    return Copy(record, Fate.UNKNOWN, why)


def _refused(letter: Letter, own: Record | None) -> str:
    against = f" (it stands in conflict with {own.place.name})" if letter.reason == Reason.CONFLICT and own else ""
    what = WHAT_TO_DO.get(letter.reason, _PUBLISH).format(reason=letter.reason)
    return f"refused, {letter.reason}: {letter.detail}{against}. What to do: {what}"
