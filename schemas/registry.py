"""Reads the schemas of the contract's subjects from a schema registry."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

_SUBJECT_NOT_FOUND: Final = 40401
_SCHEMA_NOT_FOUND: Final = 40403


class RegistryUnavailableError(Exception):
    """The registry cannot be reached or is not well: try again later. Never a reason to refuse a record."""


class RegistryRefusesError(RegistryUnavailableError):
    """The registry does not let us in, or may not be trusted: a person has to act. Until then it is an outage like others."""


class SubjectSchemas:
    """Asks the registry about one subject at a time, and keeps no answer.

    Callers name a subject as the contract does; `prefix` is what the registry has in front of all of them.
    """

    def __init__(self, client: SchemaRegistryClient, prefix: str = "") -> None:
        self._client = client
        self._prefix = prefix

    def called(self, subject: str) -> str:
        """The registry's own name of a subject, for people who look there."""
        return self._prefix + subject

    def versions(self, subject: str) -> dict[int, str]:
        """Schema id → schema text of every version of `subject`; empty where there is no such subject.

        Raises RegistryUnavailableError.
        """
        registered: dict[int, str] = {}
        with _outages_named():
            try:
                numbers = self._client.get_versions(self.called(subject))
            except SchemaRegistryError as error:
                if error.error_code == _SUBJECT_NOT_FOUND:
                    return registered
                raise
            for number in numbers:
                version = self._client.get_version(self.called(subject), number)
                if version.schema_id is not None and version.schema.schema_str is not None:
                    registered[version.schema_id] = version.schema.schema_str
        return registered

    def id_of(self, subject: str, text: str) -> int | None:
        """The id under which `text` is registered for `subject`, or None. Raises RegistryUnavailableError."""
        with _outages_named():
            try:
                return self._client.lookup_schema(self.called(subject), Schema(text, "AVRO")).schema_id
            except SchemaRegistryError as error:
                if error.error_code in {_SUBJECT_NOT_FOUND, _SCHEMA_NOT_FOUND}:
                    return None
                raise


@contextmanager
def _outages_named() -> Iterator[None]:
    try:
        yield
    except (SchemaRegistryError, httpx2.HTTPError) as error:
        if (why := refusal_of(error)) is not None:
            raise RegistryRefusesError(f"schema registry: {why}") from error
        raise RegistryUnavailableError(f"schema registry (CREDIT_SCHEMA_REGISTRY_URL): {error}") from error


def refusal_of(error: SchemaRegistryError | httpx2.HTTPError) -> str | None:
    """Why trying again is no help, and which setting to look at; None where it may be."""
    status = getattr(error, "http_status_code", None)
    if status == 401:
        return "it refuses the user or password in CREDIT_SCHEMA_REGISTRY_URL (401)"
    if status == 403:
        return "it does not allow this to the user in CREDIT_SCHEMA_REGISTRY_URL (403)"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"its certificate is not trusted ({error}): see CREDIT_SCHEMA_REGISTRY_CA_FILE and the host name"
    if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER_FAILURE" in str(error):
        return "it does not speak TLS there: http:// instead of https:// in CREDIT_SCHEMA_REGISTRY_URL, or another port"
    return None
