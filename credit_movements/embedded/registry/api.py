"""The read side of the Confluent Schema Registry API, as a function of method, path and body."""

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from credit_movements.embedded.registry.catalog import Catalog, InvalidSchemaError, RegisteredSchema

_COMPATIBILITY = "FULL"
_READ_ONLY = (
    "this registry is read-only: its schemas are the files in schemas/avro. "
    "Add a version there, or use a registry of your own (CREDIT_SCHEMA_REGISTRY_URL)"
)


class RegistryError(Exception):
    """An answer that is no success, with Confluent's number for it. The first three digits are the HTTP status."""

    def __init__(self, error_code: int, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.status = HTTPStatus(int(str(error_code)[:3]))


class Registry:
    """The API as functions of a path: `answer` gives the JSON value to send back, or raises RegistryError."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Any]]] = [
            ("GET", re.compile(r"/"), dict),
            ("GET", re.compile(r"/schemas/types"), lambda: ["AVRO"]),
            ("GET", re.compile(r"/schemas/ids/([^/]+)"), self._text_with_id),
            ("GET", re.compile(r"/schemas/ids/([^/]+)/schema"), self._schema_with_id),
            ("GET", re.compile(r"/schemas/ids/([^/]+)/versions"), self._versions_with_id),
            ("GET", re.compile(r"/schemas/ids/([^/]+)/subjects"), self._subjects_with_id),
            ("GET", re.compile(r"/subjects"), self._catalog.subjects),
            ("GET", re.compile(r"/subjects/([^/]+)/versions"), self._version_numbers),
            ("GET", re.compile(r"/subjects/([^/]+)/versions/([^/]+)"), self._one_version),
            ("GET", re.compile(r"/subjects/([^/]+)/versions/([^/]+)/schema"), self._schema_of_version),
            ("POST", re.compile(r"/subjects/([^/]+)"), self._look_up),
            ("POST", re.compile(r"/subjects/([^/]+)/versions"), self._register),
            ("GET", re.compile(r"/config"), lambda: {"compatibilityLevel": _COMPATIBILITY}),
            ("GET", re.compile(r"/config/([^/]+)"), self._config_of_subject),
            ("GET", re.compile(r"/mode"), lambda: {"mode": "READONLY"}),
        ]

    def answer(self, method: str, path: str, body: bytes) -> Any:
        """`path` without a query string, as it came (percent-encoded)."""
        matching = [(verb, match, act) for verb, route, act in self._routes if (match := route.fullmatch(path))]
        if not matching:
            raise RegistryError(404, "HTTP 404 Not Found")
        for verb, match, act in matching:
            if verb == method:
                arguments = [unquote(group) for group in match.groups()]
                return act(*arguments, *([body] if method == "POST" else []))
        raise RegistryError(405, f"HTTP 405 Method Not Allowed: {_READ_ONLY}")

    def _with_id(self, number: str) -> list[RegisteredSchema]:
        found = self._catalog.with_id(int(number)) if number.isdecimal() else []
        if not found:
            raise RegistryError(40403, f"Schema {number} not found")
        return found

    def _text_with_id(self, number: str) -> dict[str, str]:
        return {"schema": self._with_id(number)[0].text}

    def _schema_with_id(self, number: str) -> Any:
        return json.loads(self._with_id(number)[0].text)

    def _versions_with_id(self, number: str) -> list[dict[str, Any]]:
        return [{"subject": schema.subject, "version": schema.version} for schema in self._with_id(number)]

    def _subjects_with_id(self, number: str) -> list[str]:
        return sorted({schema.subject for schema in self._with_id(number)})

    def _versions(self, subject: str) -> list[RegisteredSchema]:
        found = self._catalog.versions(subject)
        if not found:
            raise RegistryError(40401, f"Subject '{subject}' not found.")
        return found

    def _version_numbers(self, subject: str) -> list[int]:
        return [schema.version for schema in self._versions(subject)]

    def _one_version(self, subject: str, version: str) -> dict[str, Any]:
        return _described(self._find_version(subject, version))

    def _schema_of_version(self, subject: str, version: str) -> Any:
        return json.loads(self._find_version(subject, version).text)

    def _find_version(self, subject: str, version: str) -> RegisteredSchema:
        versions = self._versions(subject)
        if version in {"latest", "-1"}:
            return versions[-1]
        if not version.isdecimal() or int(version) == 0:
            raise RegistryError(
                42202, f"The specified version '{version}' is not a valid version id: a number from 1, or latest."
            )
        for schema in versions:
            if schema.version == int(version):
                return schema
        raise RegistryError(40402, f"Version {version} not found.")

    def _look_up(self, subject: str, body: bytes) -> dict[str, Any]:
        self._versions(subject)
        found = self._find(subject, body)
        if found is None:
            raise RegistryError(40403, f"Schema not found: subject '{subject}' has no version with this schema")
        return _described(found)

    def _register(self, subject: str, body: bytes) -> dict[str, Any]:
        found = self._find(subject, body)
        if found is None:
            raise RegistryError(42205, f"Subject '{subject}' has no version with this schema, and {_READ_ONLY}")
        return {"id": found.schema_id, "version": found.version}

    def _find(self, subject: str, body: bytes) -> RegisteredSchema | None:
        try:
            return self._catalog.find(subject, _schema_in(body))
        except InvalidSchemaError as error:
            raise RegistryError(42201, f"Invalid schema: {error}") from error

    def _config_of_subject(self, subject: str) -> dict[str, str]:
        self._versions(subject)
        return {"compatibilityLevel": _COMPATIBILITY}


def _described(schema: RegisteredSchema) -> dict[str, Any]:
    return {
        "subject": schema.subject,
        "version": schema.version,
        "id": schema.schema_id,
        "schemaType": "AVRO",
        "schema": schema.text,
    }


def _schema_in(body: bytes) -> str:
    try:
        request = json.loads(body)
    except ValueError as error:
        raise RegistryError(400, f"The body is not JSON: {error}") from error
    if not isinstance(request, dict) or not isinstance(request.get("schema"), str):
        raise RegistryError(42201, 'Invalid schema: the body must be {"schema": "<the schema as a JSON text>"}')
    if request.get("schemaType", "AVRO") != "AVRO":
        raise RegistryError(42201, f"Invalid schema: type {request['schemaType']}, but only AVRO is known here")
    return str(request["schema"])
