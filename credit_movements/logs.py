"""Logs that people read: one line an event, on stderr, times in UTC."""

import logging
import time


def set_up_logs(level: str) -> None:
    """Log to stderr from `level` on; libraries from WARNING on."""
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # Our own line says what is down, once a minute; theirs would come with every attempt, whole URLs in them.
    for noisy in ("urllib3", "clickhouse_connect"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    for ours in ("credit_movements", "schemas", "streams", "sinks", "exporter"):
        logging.getLogger(ours).setLevel(level)
