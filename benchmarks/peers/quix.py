"""Quix Streams: a dataframe with one function. At least once, as Quix Streams has it by default."""

from typing import Any

from quixstreams import Application, message_context

from benchmarks.peers.job import SOURCE, Job


def main() -> None:
    job = Job()
    app = Application(
        job.bootstrap,
        consumer_group=job.target,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        consumer_extra_config={"session.timeout.ms": 6_000},
        producer_extra_config={"linger.ms": 5, "partitioner": "murmur2_random"},
        loglevel="WARNING",
    )
    source = app.topic(SOURCE, key_deserializer="bytes", value_deserializer="bytes")
    target = app.topic(job.target, key_serializer="bytes", value_serializer="bytes")

    def rated(value: Any) -> bytes:
        context = message_context()
        return job.rated(value, context.partition, context.offset)

    app.dataframe(source).apply(rated).to_topic(target)
    app.run()


if __name__ == "__main__":
    main()
