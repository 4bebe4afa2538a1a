"""What stands before the emulator: Google's sign-in, which it does not check, and the part of the XML API that it lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

from credit_movements.embedded.serving import LoopbackServer
from tests.google.account import ServiceAccount, expiry
from tests.google.xml_api import Answer, Request, XmlApi
from tests.serving import serving


@contextmanager
def front(api: XmlApi, account: ServiceAccount) -> Iterator[int]:
    """The front of the emulator on a port of this machine, for the length of a block; gives its own port."""

    class Front(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): text for name, text in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            answer = refusal(request, account, datetime.now(UTC)) or api.answer(request)
            self.send_response(answer.status)
            for name, text in ({"Content-Length": str(len(answer.body))} | dict(answer.headers)).items():
                self.send_header(name, text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests look at what our side says."""

    server = LoopbackServer(0, Front)
    with serving(server) as port:
        yield port


def refusal(request: Request, account: ServiceAccount, now: datetime) -> Answer | None:
    """Google's answer to a request that may not be asked. None where it may."""
    if "X-Goog-Signature" in request.query:
        if not account.signed_url(request.method, request.target):
            return Answer(403, {}, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        return Answer(400, {}, b"<Error><Code>ExpiredToken</Code></Error>") if expiry(request.target) <= now else None
    if "authorization" not in request.headers:
        return Answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
    if not account.wrote_token(request.headers["authorization"], now):
        return Answer(401, {}, b"<Error><Code>AuthenticationRequired</Code></Error>")
    return None
