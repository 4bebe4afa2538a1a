"""What an audit found, for people and for programs."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from credit_movements.audit.accounts import SourceCount
from credit_movements.audit.auditor import Audit
from credit_movements.audit.projection import LogCount
from credit_movements.audit.trust import Sampled
from streams.events.table import SOURCES

_CHECKSUM_MODULUS = 2**64


def show(audit: Audit, each_partition: bool, console: Console, errors: Console) -> None:
    """Print the tables on `console`, and what is wrong on `errors`."""
    console.print(_sources_table(audit.sources, each_partition))
    console.print(_logs_table(audit.logs, each_partition))
    if audit.other_rows:
        console.print(f"{audit.other_rows} rows of ClickHouse are of other logs and were not checked.", highlight=False)
    for line in _how(audit):
        console.print(line, highlight=False, soft_wrap=True)
    for found in audit.differences:
        errors.print(f"{found.kind} ({found.count}): {found.kind.meaning}", markup=False)
        for example in found.examples:
            errors.print("  " + "  ".join(filter(None, (example.position, example.id, example.detail))), markup=False)
    wrong = sum(found.count for found in audit.differences)
    verdict = f"{wrong} differences." if wrong else "Every event is accounted for exactly once."
    console.print(f"{verdict} ({audit.seconds:.1f} s)", highlight=False)


def _how(audit: Audit) -> Iterable[str]:
    """What was proved now, what was proved before, and what of that was proved again."""
    for number, reason in sorted(audit.discarded.items()):
        yield f"Partition {number} was proved from its beginning, its checkpoint was not used: {reason}."
    if audit.proved_before:
        again = sum(each.movements for each in audit.sampled)
        yield (
            f"{audit.consumed - audit.proved_before:,} events were proved now, {audit.proved_before:,} by earlier audits"
            f" ({again:,} of their movements again, by sample). `--full` proves everything."
        )
    if audit.summed:
        yield f"{audit.summed:,} rows of ClickHouse were held against the sums of their blocks."


def as_json(audit: Audit) -> dict[str, Any]:
    """Numbers as they are; amounts as decimal texts."""
    return {
        "holds": audit.holds,
        "log_id": audit.log_id,
        "seconds": round(audit.seconds, 3),
        "sources": [{**vars(each), "difference": each.difference} for each in audit.sources],
        "log": [_log_json(each) for each in audit.logs],
        "rows_of_other_logs": audit.other_rows,
        "proved_now": audit.consumed - audit.proved_before,
        "proved_before": audit.proved_before,
        "proved_again": [_sampled_json(each) for each in audit.sampled],
        "checkpoints_not_used": [
            {"partition": number, "reason": why} for number, why in sorted(audit.discarded.items())
        ],
        "held_against_sums": audit.summed,
        "last_full_at": None if audit.full_at is None else _instant(audit.full_at),
        "differences": [
            {
                "kind": found.kind.value,
                "meaning": found.kind.meaning,
                "count": found.count,
                "examples": [{"place": each.position, "id": each.id, "detail": each.detail} for each in found.examples],
            }
            for found in audit.differences
        ],
    }


def _sources_table(counts: list[SourceCount], each_partition: bool) -> Table:
    table = Table("Source", *(("Partition",) if each_partition else ()))
    for name in ("Consumed", "Movements", "Duplicates", "Dead letters", "Difference"):
        table.add_column(name, justify="right")
    for topic in SOURCES:
        of_topic = [each for each in counts if each.topic == topic.name]
        for each in of_topic if each_partition else ():
            table.add_row(each.topic, str(each.partition), *_source_cells([each]))
        table.add_row(topic.name, *(("all",) if each_partition else ()), *_source_cells(of_topic), end_section=True)
    return table


def _source_cells(counts: list[SourceCount]) -> list[str]:
    names = ("consumed", "movements", "duplicates", "dead_letters", "difference")
    return [f"{sum(getattr(each, name) for each in counts):,}" for name in names]


def _logs_table(counts: list[LogCount], each_partition: bool) -> Table:
    table = Table("Up to where the sink is", *(("Partition",) if each_partition else ()))
    for name in ("Movements", "Sum", "Checksum"):
        table.add_column(name, justify="right")
    for each in counts if each_partition else ():
        _add_log_rows(table, [each], (str(each.partition),))
    _add_log_rows(table, counts, ("all",) if each_partition else ())
    return table


def _add_log_rows(table: Table, counts: list[LogCount], partition: tuple[str, ...]) -> None:
    log = (sum(each.movements for each in counts), added(each.log_sums for each in counts))
    rows = (sum(each.rows for each in counts), added(each.row_sums for each in counts))
    log_sum, row_sum = (sum(getattr(each, f"{name}_checksum") for each in counts) for name in ("log", "row"))
    table.add_row("log", *partition, *_log_cells(*log, log_sum))
    table.add_row("ClickHouse", *partition, *_log_cells(*rows, row_sum), end_section=True)


def _log_cells(count: int, sums: dict[str, int], checksum: int) -> tuple[str, str, str]:
    amounts = "\n".join(f"{_amount(nanos)} {currency}" for currency, nanos in sorted(sums.items()))
    return f"{count:,}", amounts, f"{checksum % _CHECKSUM_MODULUS:016x}"


def added(sums: Iterable[dict[str, int]]) -> dict[str, int]:
    """The sums of all, nanos by currency. A Counter's `+` would drop the negative ones."""
    total: dict[str, int] = {}
    for each in sums:
        for currency, nanos in each.items():
            total[currency] = total.get(currency, 0) + nanos
    return total


def _log_json(count: LogCount) -> dict[str, Any]:
    return {
        "partition": count.partition,
        "sink_committed": count.sink_committed,
        "movements": count.movements,
        "rows": count.rows,
        "difference": count.difference,
        "proved_before": count.proved_before,
        "log_sums": {currency: _amount(nanos) for currency, nanos in count.log_sums.items()},
        "row_sums": {currency: _amount(nanos) for currency, nanos in count.row_sums.items()},
        "log_checksum": f"{count.log_checksum:016x}",
        "row_checksum": f"{count.row_checksum:016x}",
    }


def _sampled_json(sampled: Sampled) -> dict[str, Any]:
    return {
        "partition": sampled.partition,
        "log_offsets": [sampled.begin, sampled.end],
        "movements": sampled.movements,
    }


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _amount(nanos: int) -> str:
    return f"{Decimal(nanos).scaleb(-9):f}" if nanos == 0 else f"{Decimal(nanos).scaleb(-9).normalize():f}"
