"""A server that gives everybody the same answer, for what has to be told of a refusal."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.kafka.certificates import Certificate
from tests.serving import serving


@contextmanager
def answering(status: int, certificate: Certificate | None = None, address: str = "127.0.0.1") -> Iterator[int]:
    """A server that answers all requests alike, with TLS if it has a certificate; gives its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = type("Server", (ThreadingHTTPServer,), {"address_family": family})((address, 0), Answer)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate_file, certificate.key_file)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        yield port
