"""From a load to what it needs, by the measured points and stated assumptions. Pure: no clock, no server."""

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

POINTS = Path(__file__).with_name("points.json")
# schemas/topics.py: usage events and top-ups are kept so long. CREDIT_EVENT_MAX_AGE: ids are remembered so long.
EVENTS_KEPT_DAYS = 40
IDS_KEPT_DAYS = 35
# CREDIT_TOPIC_PARTITIONS takes no more.
MOST_PARTITIONS = 1000
_DAY_SECONDS = 86_400
_GIGABYTE = 1e9
_MIB = 1024 * 1024


class Points:
    """What was measured: each point of points.json is an attribute, a number in the unit that its name ends with."""

    def __init__(self, path: Path = POINTS) -> None:
        self._values = {name: float(point["value"]) for name, point in json.loads(path.read_text()).items()}

    def __getattr__(self, name: str) -> float:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True)
class Load:
    """`events_per_second`: at the busiest. `rows`: in ClickHouse, come evenly over `days`. An export has `export_rows`."""

    events_per_second: float
    rows: float
    days: float = 365
    exports_per_second: float = 1
    export_rows: float = 1_500

    @property
    def events_a_day(self) -> float:
        return self.rows / self.days


@dataclass(frozen=True)
class Assumptions:
    """What was not measured, and what is a matter of choice."""

    # Of what a process or a machine can do, so much is used at the busiest: the rest is for catching up and for a loss.
    used: float = 0.6
    # 1: the processor time that was measured with TLS and three copies, on a busy machine with small batches: the upper bound.
    # 0: without, at full batches: the lower one.
    secured: int = 1
    kafka_copies: int = 3
    broker_processors: int = 8
    broker_disk_terabytes: float = 8
    broker_writes_megabytes_per_second: float = 500
    broker_network_megabytes_per_second: float = 1_250
    clickhouse_copies: int = 2
    clickhouse_processors: int = 16
    clickhouse_disk_terabytes: float = 8
    # Of a rater and a sink: a rebalance moves whole partitions, so there are several for each.
    partitions_per_rater: int = 4


class Need(NamedTuple):
    """`number` of `what`; `decided_by` says which demand asks for most, and the others beside it."""

    what: str
    number: int
    decided_by: str


def needs(load: Load, points: Points, given: Assumptions) -> list[Need]:
    raters = _raters(load, points, given)
    partitions = max(12, raters.number * given.partitions_per_rater)
    return [
        Need(
            "partitions of each topic", partitions, f"{given.partitions_per_rater} for each rater; never to be changed"
        ),
        _brokers(load, points, given),
        raters,
        _sinks(load, points, given),
        _most(
            "exporters",
            {
                "small files": load.exports_per_second * points.export_worker_milliseconds / 1000 / given.used,
                "rows of files": load.exports_per_second
                * load.export_rows
                / (points.export_rows_per_second * given.used),
            },
        ),
        _shards(load, points, given),
    ]


def _raters(load: Load, points: Points, given: Assumptions) -> Need:
    demands = {"events at the busiest": load.events_per_second / (points.rater_events_per_second * given.used)}
    if given.secured:
        demands["processors with TLS"] = load.events_per_second * points.rater_microseconds_secured / 1e6 / given.used
    return _most("raters", demands)


def _sinks(load: Load, points: Points, given: Assumptions) -> Need:
    demands = {"rows to write": load.events_per_second / (points.sink_rows_per_second * given.used)}
    if given.secured:
        demands["processors with TLS"] = load.events_per_second * points.sink_microseconds_secured / 1e6 / given.used
    return _most("sinks", demands)


def _brokers(load: Load, points: Points, given: Assumptions) -> Need:
    # Each byte is written by every copy's broker, and each copy but the first travels from a broker to another.
    bytes_per_second = load.events_per_second * (points.event_bytes + points.movement_bytes) * given.kafka_copies
    processors = load.events_per_second * broker_microseconds(points, given) / 1e6
    return _most(
        "brokers",
        {
            "copies": given.kafka_copies,
            "disk": kafka_bytes(load, points) * given.kafka_copies / (given.broker_disk_terabytes * 1e12 * given.used),
            "writes": bytes_per_second / (given.broker_writes_megabytes_per_second * 1e6 * given.used),
            "network": bytes_per_second / (given.broker_network_megabytes_per_second * 1e6 * given.used),
            "processors": processors / (given.broker_processors * given.used),
        },
    )


def broker_microseconds(points: Points, given: Assumptions) -> float:
    """Processor time of all brokers together for an event, its movement, and its way to the sink."""
    if given.secured:
        return points.brokers_microseconds_rating_secured + points.brokers_microseconds_sinking_secured
    return points.broker_microseconds_per_event


def _shards(load: Load, points: Points, given: Assumptions) -> Need:
    # Measured on two processors, of which the client had a part: so no less is true of the server alone.
    inserts = points.insert_rows_per_second / 2 * given.clickhouse_processors
    reading = load.exports_per_second * points.export_clickhouse_milliseconds / 1000
    return _most(
        f"ClickHouse shards, of {given.clickhouse_copies:g} copies each",
        {
            "disk": clickhouse_bytes(load, points) / (given.clickhouse_disk_terabytes * 1e12 * given.used),
            "inserts": load.events_per_second / (inserts * given.used),
            "exports": reading / (given.clickhouse_processors * given.used),
        },
    )


def _most(what: str, demands: dict[str, float]) -> Need:
    ordered = sorted(demands.items(), key=lambda demand: -demand[1])
    told = ", ".join(f"{name} {number:,.2f}" for name, number in ordered)
    return Need(what, max(1, math.ceil(ordered[0][1])), told)


def kafka_bytes(load: Load, points: Points, zstd: bool = False) -> float:
    """One copy: the events of the days that they are kept, and all movements, which are kept for ever."""
    kept = min(load.days, EVENTS_KEPT_DAYS) * load.events_a_day
    if zstd:
        return kept * points.event_bytes_zstd + load.rows * points.movement_bytes_zstd
    return kept * points.event_bytes + load.rows * points.movement_bytes


def clickhouse_bytes(load: Load, points: Points) -> float:
    """One copy."""
    return load.rows * points.row_bytes


def ids_remembered(load: Load) -> float:
    return min(load.days, IDS_KEPT_DAYS) * load.events_a_day


def rater_disk_gigabytes(load: Load, points: Points, raters: int) -> float:
    """Of each rater; twice what the ids take, since files are merged into new ones before the old ones go."""
    return 2 * ids_remembered(load) * points.id_bytes / raters / _GIGABYTE


def rater_memory_mebibytes(load: Load, points: Points, raters: int) -> float:
    """Of each rater, beside what the system keeps of its files."""
    return points.rater_mebibytes + ids_remembered(load) * points.store_memory_bytes_per_id / raters / _MIB


class Wall(NamedTuple):
    """Where more machines are no help: `most` is the limit, `asked` what the load asks of it, both of `what`."""

    what: str
    most: float
    asked: float
    then: str

    @property
    def used(self) -> float:
        return self.asked / self.most


def walls(load: Load, points: Points, given: Assumptions) -> list[Wall]:
    """The nearest first."""
    found = [
        Wall(
            "events/s of all accounts, over a day: one audit proves them, on one processor",
            points.audit_events_per_processor_second,
            load.events_a_day / _DAY_SECONDS,
            "the audit falls behind for good; nothing else does",
        ),
        Wall(
            "events/s: each partition has one rater",
            most_events_of_one_account(points, given) * given.used * MOST_PARTITIONS,
            load.events_per_second,
            "a topic has at most 1,000 partitions",
        ),
    ]
    return sorted(found, key=lambda wall: -wall.used)


def most_events_of_one_account(points: Points, given: Assumptions) -> float:
    """An account is in one partition, and a partition is rated by one process, which has one core's worth of time."""
    return 1e6 / points.rater_microseconds_secured if given.secured else points.rater_events_per_second


def ceiling(processors: float, raters: int, points: Points, given: Assumptions) -> float:
    """Events/s of so many raters on one machine with their brokers: each does what it can, or the processors are used up."""
    if given.secured:
        rater, brokers = points.rater_microseconds_secured, points.brokers_microseconds_rating_secured
        return min(raters * 1e6 / rater, processors * 1e6 / (rater + brokers))
    of_all = 1e6 / points.rater_events_per_processor_second + points.broker_microseconds_per_event
    return min(raters * points.rater_events_per_second, processors * 1e6 / of_all)


def stated(given: Assumptions) -> list[str]:
    return [f"{each.name} = {getattr(given, each.name):g}" for each in fields(given)]
