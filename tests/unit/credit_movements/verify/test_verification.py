"""`verify` is silent on what the exporter writes, and never silent on anything else."""

import ast
import gzip
import json
import subprocess
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import credit_movements.verify
from credit_movements.verify.verification import manifest_beside
from exporter.request.csv_options import CsvOptions
from tests.unit.credit_movements.verify.exported import (
    COLUMNS,
    REQUESTED_AT,
    adjustment,
    month,
    of_rows,
    period_of,
    top_up,
    usage,
    written,
)
from tests.unit.credit_movements.verify.verifying import ALL_OPTIONS, findings_of, fresh

BEGIN = period_of().from_micros


@pytest.mark.parametrize("options", ALL_OPTIONS, ids=str)
def test_a_file_of_the_exporters_is_what_its_manifest_says(tmp_path: Path, options: CsvOptions) -> None:
    assert findings_of(of_rows(tmp_path, month(), options=options)) == []


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana"])
def test_a_file_is_verified_in_its_own_zone(tmp_path: Path, zone: str) -> None:
    assert findings_of(of_rows(tmp_path, month(zone), zone=zone)) == []


def test_a_file_without_movements_has_its_manifest_too(tmp_path: Path) -> None:
    assert findings_of(of_rows(tmp_path, [])) == []


@pytest.mark.parametrize("nanos", [1, -1, 10**18 - 1, 1 - 10**18])
@pytest.mark.parametrize("kind", ["refund", "chargeback", "correction"])
def test_an_adjustment_of_either_sign_stands_apart_from_charges_and_top_ups(
    tmp_path: Path, kind: str, nanos: int
) -> None:
    file = of_rows(tmp_path, [top_up(BEGIN), usage(BEGIN), adjustment(BEGIN, kind, nanos)])
    assert findings_of(file) == []
    manifest = json.loads(manifest_beside(file).read_text())
    assert (manifest["charges"], manifest["top_ups"]) == ("-0.03", "50")
    assert Decimal(manifest["adjustments"]) == Decimal(nanos).scaleb(-9)


def test_a_usage_type_of_old_that_is_called_like_an_adjustment_is_a_charge(tmp_path: Path) -> None:
    file = of_rows(tmp_path, [usage(BEGIN, description="refund")])
    assert findings_of(file) == []
    manifest = json.loads(manifest_beside(file).read_text())
    assert (manifest["charges"], manifest["adjustments"]) == ("-0.03", "0")


def test_sums_beyond_64_bits_are_exact(tmp_path: Path) -> None:
    rows = [top_up(BEGIN + number, 10**18 - 1) for number in range(100)]
    file = of_rows(tmp_path, rows, opening_nanos=10**30 + 1)
    assert findings_of(file) == []
    manifest = json.loads(manifest_beside(file).read_text())
    assert manifest["top_ups"] == "99999999999.9999999"
    assert manifest["closing_balance"] == "1000000000099999999999.999999901"


@settings(max_examples=300, deadline=None)
@given(data=st.data(), options=st.sampled_from(ALL_OPTIONS))
def test_any_changed_byte_of_a_file_is_noticed(data: st.DataObject, options: CsvOptions) -> None:
    file = fresh(options)
    content = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    assert findings_of(file)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), options=st.sampled_from(ALL_OPTIONS))
def test_a_file_that_is_cut_or_goes_on_is_noticed(data: st.DataObject, options: CsvOptions) -> None:
    file = fresh(options)
    content = file.read_bytes()
    more = data.draw(st.binary(min_size=1, max_size=40))
    file.write_bytes(
        data.draw(st.sampled_from([content[: data.draw(st.integers(0, len(content) - 1))], content + more]))
    )
    assert findings_of(file)


def test_a_gzip_that_was_unpacked_on_its_way_is_named(tmp_path: Path) -> None:
    file = of_rows(tmp_path, month(), options=CsvOptions(is_gzip=True))
    file.write_bytes(gzip.decompress(file.read_bytes()))
    assert "was it unpacked on its way?" in findings_of(file)[0]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    rows = pl.DataFrame([usage(BEGIN)], schema=COLUMNS)
    block = (
        pl.concat([rows] * 10_000)
        .with_columns(interaction_id=pl.int_range(10_000).cast(pl.String), units_charged=pl.int_range(10_000) % 500 + 1)
        .with_columns(credit_movement_nanos=-pl.col("units_charged") * pl.col("price_nanos"))
    )
    file = written(tmp_path, [block] * 8)
    assert file.stat().st_size > 4_000_000
    tracemalloc.start()
    assert findings_of(file) == []
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4_000_000


def test_it_shares_no_code_with_what_wrote_the_file() -> None:
    for path in Path(credit_movements.verify.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = getattr(node, "module", None) or ""
            assert module.split(".")[0] not in {"exporter", "sinks", "streams", "schemas"}, path


def test_the_command_needs_no_settings_and_ends_with_1_where_something_is_wrong(tmp_path: Path) -> None:
    def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "credit_movements", "verify", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "", "CREDIT_TOPIC_PARTITIONS": "nonsense"},
            cwd=Path(__file__).parents[4],
        )

    file = of_rows(tmp_path, month())
    good = command(file)
    assert (good.returncode, good.stderr) == (0, "")
    assert "9 movements of account 'acme', each recomputed; nothing wrong." in good.stdout
    moved = manifest_beside(file).rename(tmp_path / "elsewhere.json")
    without = command(file)
    assert without.returncode == 1
    assert without.stderr.count("\n") == 1
    assert "--manifest" in without.stderr
    assert command(file, "--manifest", moved).returncode == 0
    told = "balance     7.5 + -0.157691063 (charges) + 50 (top-ups) + -19.97 (adjustments) = 37.372308937 EUR\n"
    assert told in good.stdout
    file.write_bytes(file.read_bytes().replace(b"-0.03", b"-0.04", 1))
    bad = command(file, "--manifest", moved)
    assert bad.returncode == 1
    assert "line 3: Credit movement is -0.04, but 2 x 0.015 makes -0.03" in bad.stdout
    assert "is NOT what its manifest says" in bad.stdout
    assert command(tmp_path / "nothing.csv", "--manifest", moved).stderr.count("\n") == 1


def test_the_last_second_of_a_period_that_ends_within_it_belongs_to_it(tmp_path: Path) -> None:
    assert findings_of(of_rows(tmp_path, [usage(REQUESTED_AT - 1), usage(REQUESTED_AT - 1)])) == []
