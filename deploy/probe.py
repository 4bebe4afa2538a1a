"""Is the worker in this container alive, or ready? The image's health check: `python probe.py healthz|readyz [PORT]`.

Status 0 or 1. One container has one worker, which has one of four ports; the audit's is an option, so it is named. Of the
standard library alone: it runs every few seconds.
"""

import http.client
import os
import sys

# The settings' defaults; tests/unit/test_image.py holds them against the settings.
PORTS = {
    "CREDIT_RATER_HTTP_PORT": 18082,
    "CREDIT_SINK_HTTP_PORT": 18083,
    "CREDIT_WATCH_HTTP_PORT": 18085,
    "CREDIT_EXPORT_HTTP_PORT": 18080,
}
_TIMEOUT_SECONDS = 8


def answers(port: int, page: str) -> bool | None:
    """Whether the page says yes; None where nobody listens."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        asked.request("GET", f"/{page}")
        return asked.getresponse().status == http.client.OK
    except ConnectionRefusedError:
        return None
    finally:
        asked.close()


def main(page: str, *ports: str) -> int:
    for port in ports or [os.environ.get(name) or str(port) for name, port in PORTS.items()]:
        answer = answers(int(port), page)
        if answer is not None:
            return not answer
    print("no worker listens here", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
