"""What stands before a registry in production: TLS, and a name and password for each request."""

import base64
import http.client
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from credit_movements.embedded.serving import LoopbackServer
from tests.kafka.certificates import Certificate
from tests.serving import serving

USER, PASSWORD = "raters", "a password/of @ tests"


class _Server(LoopbackServer):
    """Clients that do not trust it go away within the handshake: that is nothing to log either."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ssl.SSLError):
            super().handle_error(request, client_address)


@contextmanager
def front(target_port: int, certificate: Certificate) -> Iterator[int]:
    """The front of the registry on a port of this machine, for the length of a block; gives its own port."""
    wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Front(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != wanted:
                self._answer(401, b'{"error_code": 401, "message": "Unauthorized"}', "application/json")
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = {name: text for name, text in self.headers.items() if name not in ("Host", "Authorization")}
            connection = http.client.HTTPConnection("127.0.0.1", target_port, timeout=10)
            try:
                connection.request(self.command, self.path, body, kept)
                answer = connection.getresponse()
                self._answer(answer.status, answer.read(), answer.headers.get("Content-Type", "text/plain"))
            finally:
                connection.close()

        do_POST = do_PUT = do_GET

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests look at what our side says."""

    server = _Server(0, Front)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    # A handshake that fails must not hold the next client up: it is made in the client's own thread.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server) as port:
        yield port
