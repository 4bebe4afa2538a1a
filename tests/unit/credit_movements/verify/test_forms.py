"""Files of every form: what the exporter writes agrees with its manifest, and what somebody changed does not."""

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from credit_movements.verify.findings import Findings
from credit_movements.verify.reading.sheet_rows import sheet_rows
from credit_movements.verify.verification import manifest_beside, verified
from exporter.file.manifest import sealed
from exporter.request.file_options import AskedFile
from tests.unit.credit_movements.verify.exported import REQUESTED_AT, detailed, month, period_of, usage, written

FORMS = [
    AskedFile(),
    AskedFile(columns="detailed"),
    AskedFile(columns="detailed", csv_separator=";", csv_encoding="utf-8-sig", compression="gzip"),
    AskedFile(format="xlsx"),
    AskedFile(format="xlsx", columns="detailed"),
    AskedFile(format="parquet"),
    AskedFile(format="parquet", columns="detailed"),
    AskedFile(format="focus"),
    AskedFile(format="focus", compression="gzip", descriptions="call"),
    AskedFile(descriptions="top-up,=bad"),
    AskedFile(descriptions="none such", format="xlsx"),
    AskedFile(descriptions="sms,refund", columns="detailed", format="parquet"),
]
TEXT_FOR_A_NUMBER = '<c r="G3" t="inlineStr"><is><t>-0.03</t></is></c>'
MICROS_OF_A_DAY = 24 * 3_600_000_000
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=128)


def made(folder: Path, asked: AskedFile, rows: list[dict[str, Any]] | None = None, **more: Any) -> Path:
    block = detailed(month() if rows is None else rows)
    return written(folder, [block.head(3), block.slice(3)], asked=asked, **more)


def wrong(file: Path) -> list[str]:
    return verified(file, None)[1].listed


def with_manifest(file: Path, **fields: Any) -> None:
    manifest = json.loads(manifest_beside(file).read_text())
    manifest.pop("manifest_sha256")
    manifest_beside(file).write_bytes(sealed(manifest | fields))


def ids(asked: AskedFile) -> str:
    return " ".join(str(each) for each in vars(asked).values() if each) or "default"


@pytest.mark.parametrize("asked", FORMS, ids=ids)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu"])
def test_a_file_of_any_form_agrees_with_its_manifest(tmp_path: Path, asked: AskedFile, zone: str) -> None:
    assert wrong(made(tmp_path, asked, month(zone), zone=zone)) == []
    assert wrong(made(tmp_path, asked, [], zone=zone)) == []


@pytest.mark.parametrize("asked", FORMS[3:], ids=ids)
def test_the_bytes_are_the_same_however_the_rows_came(tmp_path: Path, asked: AskedFile) -> None:
    block = detailed(month())
    once = written(tmp_path, [block], asked=asked).read_bytes()
    assert written(tmp_path, [block.slice(at, 1) for at in range(len(block))], asked=asked).read_bytes() == once


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, st.sampled_from(["xlsx", "parquet", None]))
@example("_x0041_ \r\n\t\x00\x01\ufffe\uffff]]><c/>&amp;", "xlsx")
@example("_x0041_", "xlsx")
@example("=1+1", "parquet")
def test_any_text_comes_back_as_it_was(tmp_path: Path, text: str, form: str | None) -> None:
    rows = [usage(period_of().from_micros, interaction_id=text, description=text, user_id=text)]
    file = made(tmp_path, AskedFile(format=form, columns="detailed"), rows)
    assert wrong(file) == []
    if form == "parquet":
        assert pq.read_table(file)["User"].to_pylist() == [text]
    if form == "xlsx":
        _, (_, cells) = sheet_rows(file, 18, frozenset({0, 4, 5, 6, 8, 16}), Findings())
        assert (cells[1], cells[2], cells[9]) == (text, text, text)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("Germany mobile,default,EUR,57.47,", "Germany mobile,default,EUR,57.48,", "Balance after is 57.48"),
        ("Germany mobile,default,EUR,57.47,", "Germany mobile,default,USD,57.47,", "rate card 'default' in USD"),
        (",UTC+02:00,120,", ",UTC+01:00,120,", "UTC offset 'UTC+01:00' is not that of"),
        (",UTC+02:00,120,", ",UTC+02:00,,", "Duration ''"),
        (",outbound,", ",sideways,", "Direction 'sideways'"),
        ("-000000000001\r", "-00000000000x\r", "Movement ID"),
        ("'+4930123456", "+4930123456", "would run as a formula"),
        ("Balance after", "Balance", "the header is not"),
    ],
)
def test_a_changed_line_of_a_detailed_file_is_found(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    file = made(tmp_path, AskedFile(columns="detailed"))
    text = file.read_bytes().decode()
    assert was in text
    file.write_bytes(text.replace(was, becomes, 1).encode())
    assert said in "\n".join(wrong(file))


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        (",0.03,acme,", ",0.04,acme,", "are not one amount"),
        (",0.03,0.015,0.03,", ",0.03,0.016,0.03,", ""),
        ("0.03,,Example Telecom,0.03,0.015,", "0.03,,Example Telecom,0.03,0.016,", "makes 0.032"),
        (",acme,", ",another,", "BillingAccountId is 'another'"),
        (",EUR,2026-11-01T", ",EUR,2026-10-31T", "not of its month"),
        ("2026-10-03T22:00:00Z", "2026-10-03T21:00:00Z", "outside of the period"),
        (",Credit,,refund", ",Usage,,refund", "no number of ours"),
        ("x_MovementId", "x_Movement", "it lacks x_MovementId"),
    ],
)
def test_a_changed_line_of_a_focus_file_is_found(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    file = made(tmp_path, AskedFile(format="focus"))
    text = file.read_bytes().decode()
    assert was in text
    file.write_bytes(text.replace(was, becomes, 1).encode())
    found = "\n".join(wrong(file))
    assert "SHA-256" in found
    assert said in found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sheet: sheet.replace("<v>-0.03</v>", "<v>-0.04</v>", 1), "Credit movement is -0.04"),
        (lambda sheet: sheet.replace("<v>-0.03</v>", "<f>1+1</f><v>-0.03</v>", 1), "a formula in row 3"),
        (lambda sheet: re.sub(r'<c r="G3" .*?</c>', TEXT_FOR_A_NUMBER, sheet), "a text stands"),
        (lambda sheet: sheet.replace('<row r="4">', '<row r="9">'), "row '9' where 4 comes next"),
        (
            lambda sheet: sheet.replace('<?xml version="1.0"', '<!DOCTYPE a [<!ENTITY b "c">]><?xml version="1.0"'),
            "not a sheet",
        ),
        (
            lambda sheet: sheet.replace("?>\n<worksheet", '?>\n<!DOCTYPE a [<!ENTITY b "c">]><worksheet'),
            "document type",
        ),
        (lambda sheet: sheet.replace("</worksheet>", ""), "not a sheet of ours"),
        (lambda sheet: re.sub(r'<row r="3">.*?</row>', "", sheet), "where 3 comes next"),
    ],
)
def test_a_changed_sheet_is_found(tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    file = made(tmp_path, AskedFile(format="xlsx"))
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    assert change(sheet) != sheet
    parts["xl/worksheets/sheet1.xml"] = change(sheet)
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    assert said in "\n".join(wrong(file))


@pytest.mark.parametrize("form", ["xlsx", "parquet"])
def test_bytes_that_are_no_such_file_are_a_finding(tmp_path: Path, form: str) -> None:
    file = made(tmp_path, AskedFile(format=form))
    whole = file.read_bytes()
    for damaged in (b"", b"nothing", whole[:-20], whole[: len(whole) // 2], whole[:200] + b"x" + whole[201:]):
        file.write_bytes(damaged)
        assert "SHA-256" in "\n".join(wrong(file))


def test_a_changed_number_of_a_parquet_file_is_found(tmp_path: Path) -> None:
    file = made(tmp_path, AskedFile(format="parquet"))
    table = pq.read_table(file)
    units = pl.Series(table["Units charged"]).fill_null(0) + 1
    pq.write_table(table.set_column(4, table.schema.field(4), [units.to_arrow()]), file)
    assert "Units charged" in "\n".join(wrong(file)) or "a line without a unit has units" in "\n".join(wrong(file))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"left_out": {"row_count": 1, "credit_movement": "0"}}, "nobody asked for that"),
        ({"left_out": {"row_count": 0, "credit_movement": "1"}}, "not the closing balance"),
        ({"descriptions": ["call"]}, "none of the descriptions"),
        ({"file_name": "credit-movements_2026-10-04_2026-11-03.csv"}, "is called"),
        ({"period_is_chosen": True, "period_from": "2025-10-03T11:30:01.000004Z"}, "at most 13 months"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_found(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    file = made(tmp_path, AskedFile(format="xlsx"))
    with_manifest(file, **fields)
    assert said in "\n".join(wrong(file))


def test_an_own_period_is_held_to_its_length_alone(tmp_path: Path) -> None:
    begin = REQUESTED_AT - 390 * MICROS_OF_A_DAY
    rows = [usage(begin), usage(REQUESTED_AT - 100 * MICROS_OF_A_DAY)]
    file = made(tmp_path, AskedFile(), rows, period_from_micros=begin, period_to_micros=REQUESTED_AT - MICROS_OF_A_DAY)
    assert file.name == "credit-movements_2025-10-09_2026-11-02.csv"
    assert wrong(file) == []
