"""The made-up company's own systems: publishes all its traffic, as a process of its own.

`python -m credit_movements.demo.publisher NOW_MICROS EVENTS`, Kafka and registry by the CREDIT_ variables.
"""

import sys

from credit_movements import clients
from credit_movements.demo.company import company
from credit_movements.demo.traffic import PRODUCER_SETTINGS, publish
from credit_movements.settings import load_settings
from schemas.topics import TOP_UP_EVENTS, USAGE_EVENTS


def main(now_micros: int, events: int) -> None:
    settings = load_settings()
    producer = clients.producer(settings, **PRODUCER_SETTINGS)
    made = company(now_micros, events=events)
    usage, top_ups = clients.codec(settings, USAGE_EVENTS), clients.codec(settings, TOP_UP_EVENTS)
    publish(made, producer, usage, top_ups, clients.partition_count(settings, USAGE_EVENTS))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
