"""The read side of the Confluent Schema Registry API, in front of the contract's own schema files.

`python -m credit_movements.embedded.registry.server --port PORT [--prefix PREFIX]...`. A client of a Confluent registry can
publish and read with it. It refuses to register a schema, unless the schema is there already.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from credit_movements.embedded.registry.api import Registry, RegistryError
from credit_movements.embedded.registry.catalog import contract_catalog
from credit_movements.embedded.serving import LoopbackServer, serve_until_terminated

_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_MAX_BODY_BYTES = 1_000_000


class RegistryHandler(BaseHTTPRequestHandler):
    """HTTP around `Registry`. The class that is served gets its `registry` in `registry_server`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    registry: Registry

    def _answer(self) -> None:
        status, value = HTTPStatus.OK, None
        try:
            value = self.registry.answer(self.command, urlsplit(self.path).path.rstrip("/") or "/", self._body())
        except RegistryError as error:
            status, value = error.status, {"error_code": error.error_code, "message": str(error)}
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _MAX_BODY_BYTES or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise RegistryError(413, f"A body needs a Content-Length of at most {_MAX_BODY_BYTES}")
        return self.rfile.read(int(length))

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: reading a schema is nothing to log."""


def registry_server(port: int, prefixes: Sequence[str] = ("",)) -> LoopbackServer:
    """`prefixes`: of the subjects, which are there once for each. Raises OSError if the port cannot be had."""
    handler = type("Handler", (RegistryHandler,), {"registry": Registry(contract_catalog(prefixes))})
    return LoopbackServer(port, handler)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m credit_movements.embedded.registry.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--prefix", action="append", dest="prefixes", metavar="PREFIX")
    options = parser.parse_args(arguments)
    try:
        server = registry_server(options.port, options.prefixes or ("",))
    except OSError as error:
        sys.exit(f"registry: cannot listen on 127.0.0.1:{options.port}: {error.strerror}")
    serve_until_terminated(server, finish_seconds=1.0, close=lambda: None)


if __name__ == "__main__":
    main(sys.argv[1:])
