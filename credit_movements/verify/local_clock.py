"""Which instants a printed local time can mean."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}", re.ASCII)
_WITHIN: Final = {f":{minute:02}:{second:02}": minute * 60 + second for minute in range(60) for second in range(60)}
# The file of a month has 745 hours. A file with very many must not fill the memory.
_MOST_HOURS: Final = 10_000


class LocalClock:
    """Local times of a zone, as `YYYY-MM-DD HH:MM:SS`."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._hours: dict[str, tuple[int, ...] | None] = {}

    def instants(self, text: str) -> tuple[int, ...]:
        """The seconds since the epoch, UTC, at which the clock showed `text`: two where an hour came twice, none where it was
        skipped or where `text` is no time."""
        hour, within = text[:13], _WITHIN.get(text[13:])
        if within is None:
            return ()
        if hour not in self._hours:
            if len(self._hours) >= _MOST_HOURS:
                self._hours.clear()
            self._hours[hour] = self._of_hour(hour)
        begins = self._hours[hour]
        if begins is None:
            return self._exactly(text)
        return (begins[0] + within,) if len(begins) == 1 else tuple([begin + within for begin in begins])

    def _of_hour(self, hour: str) -> tuple[int, ...] | None:
        """The instants at which the hour begins; None where the clock changes within it."""
        if _HOUR.fullmatch(hour) is None:
            return ()
        # No clock was ever changed twice within an hour.
        begins, ends = self._exactly(hour + ":00:00"), self._exactly(hour + ":59:59")
        return begins if tuple(begin + 3599 for begin in begins) == ends else None

    def _exactly(self, text: str) -> tuple[int, ...]:
        try:
            shown = datetime.fromisoformat(text)
        except ValueError:
            return ()
        instants = set()
        for fold in (0, 1):
            try:
                moment = shown.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)
            except OverflowError:
                continue
            if moment.astimezone(self._zone).replace(tzinfo=None, fold=0) == shown:
                instants.add((moment - _EPOCH) // timedelta(seconds=1))
        return tuple(sorted(instants))
