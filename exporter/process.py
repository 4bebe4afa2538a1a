"""The exporter as a process: starts it, runs it until a signal, and ends it in time."""

import asyncio
import errno
import logging
import os
import signal

from exporter.faust_app import ExporterApp
from exporter.service import build_app
from exporter.settings import ExporterParts, ExporterSettings
from exporter.threads import threads_ended

logger = logging.getLogger(__name__)

# Together below the 8 s that a stop may take in `up`, and the 15 s elsewhere.
_FAUST_STOPS_SECONDS = 4.0
_THREADS_END_SECONDS = 3.0


def run(settings: ExporterSettings, parts: ExporterParts) -> int:
    """Run until SIGTERM or SIGINT (status 0), or until a bug or a crash of Faust (status 1). Returns the exit status.

    Requests whose exports have not ended stay unacknowledged, so the next start takes them up again. Where Kafka, a query or
    an upload hangs at the end, this function ends the process itself, with the same status.
    """
    for library in ("faust", "mode", "aiokafka"):
        logging.getLogger(library).setLevel(logging.WARNING)
    return asyncio.run(_serve(settings, parts))


async def _serve(settings: ExporterSettings, parts: ExporterParts) -> int:
    app, worker = build_app(settings, parts)
    stop_signal = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_signal.set)
    ends = [asyncio.create_task(stop_signal.wait()), asyncio.create_task(_run_app(app))]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    logger.info("stopping")
    await worker.abandon()
    has_stopped = await _stopped(app)
    for end in ends:
        end.cancel()
    results = await asyncio.gather(*ends, return_exceptions=True)
    bug = app.crash_reason or next((each for each in results if isinstance(each, Exception)), None)
    if isinstance(bug, OSError) and bug.errno == errno.EADDRINUSE:
        logger.critical("cannot listen on %s:%d: the port is taken", settings.http_host, settings.http_port)
    elif bug is not None:
        logger.critical("the exporter has crashed", exc_info=bug)
    status = 0 if bug is None else 1
    if not (await threads_ended(_THREADS_END_SECONDS) and has_stopped):
        logger.warning("Kafka, a query or an upload hangs: it is left behind")
        logging.shutdown()
        os._exit(status)
    return status


async def _stopped(app: ExporterApp) -> bool:
    """False if the app does not stop in time. It has to commit and to leave its group, and would wait for Kafka for ever."""
    stopping = asyncio.create_task(app.stop())
    await asyncio.wait({stopping}, timeout=_FAUST_STOPS_SECONDS)
    return stopping.done()


async def _run_app(app: ExporterApp) -> None:
    await app.start()
    logger.info("the exporter is at work, its pages at http://%s:%d", app.conf.web_bind, app.conf.web_port)
    await app.wait_until_stopped()
