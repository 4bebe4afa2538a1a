"""ClickHouse in one process: chDB on one data folder, behind ClickHouse's HTTP interface, on 127.0.0.1.

`python -m credit_movements.embedded.clickhouse.server --path FOLDER --port PORT`, the password of its only user, `default`,
in the environment variable CREDIT_EMBEDDED_CLICKHOUSE_PASSWORD. On SIGTERM it finishes what it is doing, for 2.5 s at
most.
"""

import argparse
import logging
import os
import sys
from pathlib import Path

from credit_movements.embedded.clickhouse.engine import Context, Engine
from credit_movements.embedded.clickhouse.errors import ClickHouseError
from credit_movements.embedded.clickhouse.http import clickhouse_server
from credit_movements.embedded.clickhouse.request import Credentials
from credit_movements.embedded.services import CLICKHOUSE_PASSWORD_VARIABLE, CLICKHOUSE_USER
from credit_movements.embedded.serving import serve_until_terminated

_FINISH_SECONDS = 2.5


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    options = _options(arguments)
    engine = _open(options.path, options.config)
    with engine.session(Context()) as session:
        time_zone = session.query("SELECT timezone()", "TabSeparated")[0].decode().strip()
    credentials = Credentials(CLICKHOUSE_USER, os.environ[CLICKHOUSE_PASSWORD_VARIABLE])
    try:
        server = clickhouse_server(options.port, engine, credentials, time_zone)
    except OSError as error:
        sys.exit(f"clickhouse: cannot listen on 127.0.0.1:{options.port}: {error.strerror}")
    finished = serve_until_terminated(server, _FINISH_SECONDS, engine.close)
    # The engine's own threads would hold up an ordinary exit when a query is still at work.
    os._exit(0 if finished else 1)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m credit_movements.embedded.clickhouse.server", description=__doc__)
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--config", type=Path, help="a configuration file of ClickHouse: its users, clusters, disks")
    options = parser.parse_args(arguments)
    if not os.environ.get(CLICKHOUSE_PASSWORD_VARIABLE):
        parser.error(f"the environment variable {CLICKHOUSE_PASSWORD_VARIABLE} must hold a password")
    return options


def _open(path: Path, config: Path | None) -> Engine:
    path.mkdir(parents=True, exist_ok=True)
    try:
        return Engine(path, config)
    except ClickHouseError as error:
        sys.exit(f"clickhouse: cannot open {path} (is another server at work on it?): {error.text}")


if __name__ == "__main__":
    main(sys.argv[1:])
