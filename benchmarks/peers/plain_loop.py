"""The plain loop: confluent-kafka, a message at a time. At least once: it commits what it has flushed."""

from confluent_kafka import Consumer, Producer

from benchmarks.peers.job import SOURCE, Job

_COMMIT_EVERY = 10_000


def main() -> None:
    job = Job()
    consumer = Consumer(
        {
            "bootstrap.servers": job.bootstrap,
            "group.id": job.target,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6_000,
        }
    )
    producer = Producer({"bootstrap.servers": job.bootstrap, "linger.ms": 5, "partitioner": "murmur2_random"})
    consumer.subscribe([SOURCE])
    done = 0
    while True:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        value = job.rated(message.value(), message.partition(), message.offset())
        producer.produce(job.target, value, message.key())
        producer.poll(0)
        done += 1
        if done % _COMMIT_EVERY == 0:
            producer.flush()
            consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main()
