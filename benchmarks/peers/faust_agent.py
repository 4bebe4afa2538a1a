"""Faust: an agent that takes batches. At least once, as Faust has it by default."""

import asyncio
import sys

import faust

from benchmarks.peers.job import SOURCE, Job

_BATCH = 1_000

job = Job()
app = faust.App(
    job.target,
    broker=f"kafka://{job.bootstrap}",
    store="memory://",
    topic_allow_declare=False,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    broker_session_timeout=6,
    broker_heartbeat_interval=1.5,
    broker_rebalance_timeout=6,
    web_enabled=False,
    producer_linger=0.005,
)
source = app.topic(SOURCE, key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")
target = app.topic(job.target, key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")


@app.agent(source)
async def rate(stream: faust.StreamT) -> None:
    async for events in stream.take_events(_BATCH, within=0.5):
        movements = [
            (event.key, job.rated(event.value, event.message.partition, event.message.offset)) for event in events
        ]
        await asyncio.gather(*(target.send(key=key, value=value) for key, value in movements))


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "--loglevel=warn"]
    app.main()
