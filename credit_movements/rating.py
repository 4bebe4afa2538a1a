"""What the raters have in common with those who rate again what they have rated."""

from credit_movements.settings import Settings
from streams.pricing.rating import Limits

GROUP = "rater"


def limits_of(settings: Settings) -> Limits:
    """How far an event may lie from what is usual."""
    return Limits(
        settings.event_max_age, settings.event_max_ahead, settings.max_seconds_quantity, settings.max_count_quantity
    )
