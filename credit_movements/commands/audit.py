"""The command `audit`: is every event accounted for exactly once?"""

import json
import signal
import sys
import threading
from typing import Annotated

import typer

from credit_movements.commands.output import INTERRUPTED, AsJson, DataDir, errors, fail, wide_console
from credit_movements.logs import set_up_logs


def audit(
    as_json: AsJson = False,
    partitions: Annotated[bool, typer.Option("--partitions", help="Show each partition.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Prove everything, not only what is new and a sample.")] = False,
    every: Annotated[float | None, typer.Option(help="Go on, an audit every so many seconds.", min=1)] = None,
    http_port: Annotated[int, typer.Option(help="With --every: port of /metrics; 0: any.", min=0, max=65535)] = 18084,
    data_dir: DataDir = None,
) -> None:
    """Prove that nothing is lost, doubled or altered: events = movements + duplicates + dead letters = ClickHouse."""
    from credit_movements.workers.polars_setup import set_up_polars

    set_up_polars()
    from credit_movements.audit.auditor import Auditor
    from credit_movements.audit.report import as_json as json_of
    from credit_movements.audit.report import show
    from credit_movements.audit.watch import watch
    from credit_movements.settings import load_settings
    from kafka_io.reading import StoppedError

    settings = load_settings(data_dir)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if every is not None:
        set_up_logs(settings.log_level)
        watch(settings, every, http_port, stop, full)
        return
    auditor = Auditor(settings, stop)
    try:
        with errors().status("Auditing …") as status:

            def show_progress(done: int, of: int) -> None:
                status.update(f"Auditing: {done:,} of {of:,} records …")

            found = auditor.audit(show_progress, full)
    except StoppedError as stopped:
        fail(f"{stopped}; what was proved is kept", INTERRUPTED)
    finally:
        auditor.close()
    if as_json:
        sys.stdout.write(json.dumps(json_of(found), indent=2, ensure_ascii=False) + "\n")
    else:
        show(found, partitions, wide_console(), errors())
    if not found.holds:
        raise typer.Exit(1)
