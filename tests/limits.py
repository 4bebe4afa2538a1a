"""The limits that events are held against where nothing else is set: those of production."""

from credit_movements.settings import Settings
from credit_movements.workers.rater import limits_of

LIMITS = limits_of(Settings())
