"""What must have become of the export requests: of each account one export at a time, each with one outcome, and files that
hold what the log held up to the offset that was noted when they began."""

import hashlib
import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal, localcontext
from pathlib import Path
from typing import Any

from exporter.storage.keys import ExportKeys
from kafka_io.positions import position_of
from schemas.partitioner import account_partition
from schemas.topics import EXPORT_NOTIFICATIONS, EXPORT_REQUESTS
from tests.chaos.oracle import agree, movements
from tests.chaos.world import PARTITIONS, World

_HEADER = "Date & Time,Interaction ID,Description,Units,Units charged,Value per unit,Credit movement\r\n"

Record = dict[str, Any]


def assert_each_export_ended_once(world: World) -> None:
    """Exactly those requests were accepted that the contract says; each has one outcome, one notification (that may be
    repeated) and one right file."""
    told: defaultdict[str, list[Record]] = defaultdict(list)
    for notification in world.stack.records(EXPORT_NOTIFICATIONS):
        told[notification["export_id"]].append(notification)
    folder = Path(str(world.settings.export_storage_url).removeprefix("file://"))
    accepted = _accepted(world, folder, told)
    agree("accepted requests", dict.fromkeys(accepted, True), dict.fromkeys(told, True))
    agree("records of requests", _stored(folder, "request"), {_keys(each).request: True for each in accepted.values()})
    agree("records of outcomes", _stored(folder, "outcome"), {_keys(each).outcome: True for each in accepted.values()})
    log = [(*position_of(message), line) for message, line in movements(world)]
    for export_id, request in accepted.items():
        (first, *others) = told[export_id]
        assert all(other == first for other in others), told[export_id]
        assert first["status"] == "completed", first
        _check_file(folder, request, first, log)
    ids = {each[0]["notification_id"] for each in told.values()}
    assert len(ids) == len(accepted)


def _accepted(world: World, folder: Path, told: dict[str, list[Record]]) -> dict[str, Record]:
    """By the contract: the first with its id, that does not lie below the end that was noted with an earlier outcome."""
    accepted: dict[str, Record] = {}
    answered_below: defaultdict[str, int] = defaultdict(int)
    for message in world.stack.read(EXPORT_REQUESTS.name):
        request = world.stack.codec(EXPORT_REQUESTS).decode_one(message.value())
        id_, account_id = request["request_id"], request["account_id"]
        if id_ in accepted or int(message.offset() or 0) < answered_below[account_id]:
            continue
        accepted[id_] = request
        assert id_ in told, f"request {id_} of {account_id} has no outcome"
        outcome = json.loads((folder / _keys(request).outcome).read_text())
        answered_below[account_id] = max(answered_below[account_id], outcome["requests_end_offset"])
    return accepted


def _keys(request: Record) -> ExportKeys:
    return ExportKeys.of(request["account_id"], request["request_id"])


def _stored(folder: Path, kind: str) -> dict[str, bool]:
    return {str(path.relative_to(folder)): True for path in folder.glob(f"requests/*/*.{kind}.json")}


def _check_file(folder: Path, request: Record, notification: Record, log: list[Any]) -> None:
    record = json.loads((folder / _keys(request).request).read_text())
    period = notification["period_from"], notification["period_to"]
    assert period[1] == request["requested_at"]
    partition = account_partition(request["account_id"], PARTITIONS)
    lines = [
        line
        for topic_partition, offset, line in log
        if topic_partition.partition == partition
        and offset < record["log_end_offset"]
        and line["account_id"] == request["account_id"]
        and period[0] <= line["occurred_at"] < period[1]
        and line["credit_movement_nanos"] != 0
    ]
    lines.sort(key=lambda line: (line["occurred_at"], line["movement_id"]))
    wanted = (_HEADER + "".join(map(_csv_line, lines))).encode()
    written = (folder / _keys(request).file).read_bytes()
    assert written == wanted, (
        f"export {request['request_id']}: {len(written)} bytes, and not the {len(wanted)} of the log"
    )
    described = notification["row_count"], notification["size_bytes"], notification["sha256"]
    assert described == (len(lines), len(wanted), hashlib.sha256(wanted).hexdigest())


def _csv_line(line: Record) -> str:
    at = datetime.fromtimestamp(line["occurred_at"] // 10**6, UTC).strftime("%Y-%m-%d %H:%M:%S")
    is_usage = line["source_topic"] == "usage-events"
    units = ["", ""] if not is_usage else [str(line["units_charged"]), _value_per_unit(line)]
    cells = [
        at,
        line["interaction_id"],
        line["description"],
        line["unit"],
        *units,
        _plain(line["credit_movement_nanos"]),
    ]
    return ",".join(cells) + "\r\n"


def _value_per_unit(line: Record) -> str:
    with localcontext(prec=60, rounding=ROUND_UP):
        value = (Decimal(line["price_nanos"]).scaleb(-9) / line["price_units"]).quantize(Decimal("1e-18"))
    return f"{value.normalize():f}"


def _plain(nanos: int) -> str:
    text = f"{Decimal(nanos).scaleb(-9):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
