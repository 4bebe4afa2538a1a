"""The schema registry as an outage: it is waited for wherever a rater meets it."""

from collections.abc import Callable
from typing import TypeVar

from kafka_io.outages import Patience
from schemas.registry import RegistryUnavailableError

T = TypeVar("T")


def outlast_registry(patience: Patience, step: Callable[[], T]) -> T:
    """What `step` returns, taken again while the registry is away. Raises StoppedWaitingError at a stop signal."""
    return patience.outlast("the schema registry", step, lambda error: isinstance(error, RegistryUnavailableError))
