"""Waits while the schema registry is away. Its error is no `Outage`, since `schemas` imports nothing of ours."""

from collections.abc import Callable
from typing import TypeVar

from kafka_io.outages import Patience
from schemas.registry import RegistryUnavailableError

T = TypeVar("T")


def outlast_registry(patience: Patience, step: Callable[[], T]) -> T:
    """Take `step` again while the registry is away, and return its result. Raises StoppedWaitingError at a stop signal."""
    return patience.outlast("the schema registry", step, lambda error: isinstance(error, RegistryUnavailableError))
