"""An exporter as a process of its own, as the composition root would start it: `python -m ... <settings as JSON>`."""

import json
import logging
import sys
import time
from datetime import timedelta
from typing import Any

import clickhouse_connect
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from prometheus_client import CollectorRegistry

from credit_movements.settings import Settings
from exporter.faust_app import GROUP_ID
from exporter.positions.completeness import Completeness
from exporter.positions.movements_log import MovementsLog
from exporter.positions.requests_end import RequestsEnd
from exporter.positions.unread import UnreadRequests
from exporter.process import run
from exporter.settings import ExporterParts, ExporterSettings
from exporter.storage.objects import ExportStorage
from schemas.registry import SubjectSchemas
from sinks.read import movements as reader
from sinks.read import totals

# A condition on the rows → what stands for it where rows are counted.
COUNTED_BY = {
    "account_id = {account_id:String}": (
        "account_id IN {account_id:Array(String)}",
        "indexOf({account_id:Array(String)}, account_id)",
    ),
    "log_offset < {log_end_offset:Int64}": ("log_offset < {log_end_offset:Array(Int64)}[slice_number]",),
}


def now_micros() -> int:
    return time.time_ns() // 1000


def main(options: dict[str, Any]) -> int:
    logging.basicConfig(level=options["log_level"], format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    reading = {
        "bootstrap.servers": options["broker"],
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 50,
    }
    movements = MovementsLog(
        Consumer({**reading, "group.id": "exporter-log-end"}), Consumer({**reading, "group.id": "sink"})
    )
    completeness = Completeness(
        Consumer({**reading, "group.id": "exporter-progress", "isolation.level": "read_uncommitted"}),
        Consumer({**reading, "group.id": "rater"}),
        movements.written_ends,
        now_micros,
    )
    defaults = Settings()
    settings = ExporterSettings(
        bootstrap_servers=options["broker"],
        kafka_prefix="",
        account_partitions=options["partitions"],
        requests_log_id=options["requests_log_id"],
        movements_log_id=options["log_id"],
        public_url=f"http://127.0.0.1:{options['port']}",
        http_host=defaults.http_host,
        http_port=options["port"],
        link_ttl=timedelta(seconds=options["link_ttl_seconds"]),
        presigned_ttl=defaults.export_presigned_ttl,
        time_limit=defaults.export_time_limit,
        provider_name="Example Telecom",
        concurrent_exports=defaults.export_concurrency,
        outage_limit=timedelta(seconds=options["outage_limit_seconds"]),
        expiry_sweep_interval=timedelta(seconds=options["expiry_sweep_seconds"]),
        group_session_timeout_seconds=2.0,
        group_heartbeat_seconds=0.5,
        group_rebalance_timeout_seconds=3.0,
    )
    parts = ExporterParts(
        storage=ExportStorage.open(options["storage_url"], options["storage_public_endpoint"]),
        clickhouse=lambda: clickhouse_connect.get_client(
            dsn=options["clickhouse"], connect_timeout=3, send_receive_timeout=10, autogenerate_session_id=False
        ),
        producer=Producer(
            {"bootstrap.servers": options["broker"], "enable.idempotence": True, "message.timeout.ms": 10_000}
        ),
        schemas=SubjectSchemas(SchemaRegistryClient({"url": options["registry"], "timeout": 3})),
        log_ends=movements.end_offsets,
        sink_positions=movements.sink_positions,
        requests_ends=RequestsEnd(
            Consumer({**reading, "group.id": "exporter-requests-end", "isolation.level": "read_uncommitted"})
        ).end_offsets,
        link_secret=options["link_secret"].encode(),
        link_secret_previous=options["link_secret_previous"] and options["link_secret_previous"].encode(),
        now_micros=now_micros,
        metrics=CollectorRegistry(),
        rated_until=completeness.rated_until,
        status_token=options["status_token"].encode(),
        unread_requests=UnreadRequests(
            Consumer({**reading, "group.id": GROUP_ID}), options["requests_log_id"]
        ).of_partition,
    )
    if options["without_condition"]:
        sabotage(options["without_condition"])
    return run(settings, parts)


def sabotage(condition: str) -> None:
    """Take a condition out of what the exporter asks ClickHouse for."""
    for module, question, texts in (
        (totals, "_BY_CARD", COUNTED_BY[condition]),
        (reader, "_SELECT", (condition,)),
    ):
        for text in texts:
            honest = getattr(module, question)
            assert honest.count(text) == 1
            setattr(module, question, honest.replace(text, "1"))


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
