"""A command imports what it needs and no more, so that a worker starts soon."""

import subprocess
import sys

import pytest

COMMON = "credit_movements.commands.main"
# Of these the cheapest takes a tenth of a second.
HEAVY = {
    *("chdb", "clickhouse_connect", "clickhouse_driver", "confluent_kafka", "faust", "numpy", "obstore", "polars"),
    *("pydantic", "rich"),
}


@pytest.mark.parametrize(
    ("module", "needs"),
    [
        (COMMON, set()),
        ("credit_movements.clickhouse", {"clickhouse_connect", "pydantic"}),
        ("sinks.read.balance", {"clickhouse_connect"}),
        ("credit_movements.workers.rater", {"confluent_kafka", "numpy", "obstore", "polars", "pydantic"}),
        ("credit_movements.workers.sink", {"clickhouse_connect", "confluent_kafka", "numpy", "polars", "pydantic"}),
        (
            "credit_movements.workers.exporter",
            {"clickhouse_connect", "confluent_kafka", "faust", "numpy", "obstore", "polars", "pydantic"},
        ),
    ],
)
def test_a_command_imports_only_what_it_needs(module: str, needs: set[str]) -> None:
    script = f"import sys, {COMMON}, {module}; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert HEAVY & set(printed.split()) == needs


@pytest.mark.parametrize(
    ("worker", "others"), [("rater", ("sinks.write.loop", "exporter")), ("sink", ("streams.rater", "exporter"))]
)
def test_a_worker_leaves_the_others_loops_alone(worker: str, others: tuple[str, ...]) -> None:
    script = f"import sys, {COMMON}, credit_movements.workers.{worker}; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not set(others) & set(printed.split())


def test_neither_decoding_nor_encoding_loads_pandas() -> None:
    """chdb brings it, so it is there on the embedded stack; `pyarrow.array` loads it, which takes a second."""
    script = """
import sys
import polars as pl
from tests.unit.schemas.test_codec import CODEC, EVENT
CODEC.decode([CODEC.encode_one(EVENT), None])
CODEC.encode(pl.DataFrame([EVENT], schema=CODEC.dtypes))
print(*sys.modules)
"""
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "pandas" not in printed.split()
