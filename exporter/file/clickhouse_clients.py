"""Keeps clients of ClickHouse for the next question: making one costs two questions to the server, about its settings."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from sinks.read.slice import MovementsUnavailableError


class ClickHouseClients:
    """`make` makes a client. There are never more than were at work at once."""

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        self._idle: deque[Client] = deque()

    @contextmanager
    def one(self) -> Iterator[Client]:
        """A client that nobody else uses meanwhile. Raises MovementsUnavailableError where none can be made."""
        client = self._taken()
        is_sound = False
        try:
            yield client
            is_sound = True
        finally:
            # After an error it may be in the middle of an answer.
            if is_sound:
                self._idle.append(client)
            else:
                client.close()

    def _taken(self) -> Client:
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return self._make()
        except (ClickHouseError, HTTPError, OSError) as error:
            raise MovementsUnavailableError(f"ClickHouse: {error}") from error
