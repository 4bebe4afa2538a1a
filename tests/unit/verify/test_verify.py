"""`verify`: silent on what the exporter writes, and never silent on anything else."""

import ast
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import credit_movements.verify
from credit_movements.verify.manifest import NoManifestError
from credit_movements.verify.verification import manifest_beside, verified
from exporter.file.manifest import sealed
from exporter.request.csv_options import CsvOptions
from tests.unit.verify.exported import COLUMNS, PLAIN, REQUESTED_AT, month, of_rows, period_of, top_up, usage, written

ALL_OPTIONS = [
    CsvOptions(mark, separator, is_gzip) for mark in (False, True) for separator in ",;" for is_gzip in (False, True)
]
BEGIN = period_of().from_micros


@pytest.fixture(scope="module", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Properties make a folder for each example: all of them below pytest's, which cleans up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("examples")))
        yield


def told(file: Path) -> list[str]:
    """What `verify` says of a file; one line where it has no manifest to hold it against."""
    try:
        _, findings = verified(file, None)
    except NoManifestError as error:
        return [str(error)]
    assert bool(findings.listed) == bool(findings.count)
    return findings.listed


def fresh(options: CsvOptions = PLAIN) -> Path:
    return of_rows(Path(tempfile.mkdtemp()), month(), options=options)


def forged(file: Path, change: Callable[[bytes], bytes]) -> Path:
    """The file changed, and its manifest made to fit as far as that goes without counting anything."""
    content = change(file.read_bytes())
    file.write_bytes(content)
    manifest = json.loads(manifest_beside(file).read_text())
    manifest |= {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    del manifest["manifest_sha256"]
    manifest_beside(file).write_bytes(sealed(manifest))
    return file


@pytest.mark.parametrize("options", ALL_OPTIONS, ids=str)
def test_a_file_of_the_exporters_is_what_its_manifest_says(tmp_path: Path, options: CsvOptions) -> None:
    assert told(of_rows(tmp_path, month(), options=options)) == []


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana"])
def test_a_file_is_verified_in_its_own_zone(tmp_path: Path, zone: str) -> None:
    assert told(of_rows(tmp_path, month(zone), zone=zone)) == []


def test_a_file_without_movements_has_its_manifest_too(tmp_path: Path) -> None:
    assert told(of_rows(tmp_path, [])) == []


def test_sums_beyond_64_bits_are_exact(tmp_path: Path) -> None:
    rows = [top_up(BEGIN + number, 10**18 - 1) for number in range(100)]
    file = of_rows(tmp_path, rows, opening_nanos=10**30 + 1)
    assert told(file) == []
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
    assert told(file)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), options=st.sampled_from(ALL_OPTIONS))
def test_a_file_that_is_cut_or_goes_on_is_noticed(data: st.DataObject, options: CsvOptions) -> None:
    file = fresh(options)
    content = file.read_bytes()
    more = data.draw(st.binary(min_size=1, max_size=40))
    file.write_bytes(
        data.draw(st.sampled_from([content[: data.draw(st.integers(0, len(content) - 1))], content + more]))
    )
    assert told(file)


def numbers(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a manifest has a number, as such or in a text."""
    if isinstance(node, dict | list):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from numbers(child, (*path, key))
    elif isinstance(node, int) or (isinstance(node, str) and any(letter.isdigit() for letter in node)):
        yield path


def changed(manifest: dict[str, Any], path: tuple[Any, ...], draw: Callable[[Any], Any]) -> None:
    node: Any = manifest
    for key in path[:-1]:
        node = node[key]
    value = node[path[-1]]
    if isinstance(value, int):
        node[path[-1]] = draw(st.integers(-5, 10**12).filter(lambda number: number != value))
    else:
        at = draw(st.sampled_from([place for place, letter in enumerate(value) if letter.isdigit()]))
        digit = draw(st.sampled_from([each for each in "0123456789" if each != value[at]]))
        node[path[-1]] = value[:at] + digit + value[at + 1 :]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_changed_number_of_a_manifest_is_noticed(data: st.DataObject) -> None:
    file = fresh()
    manifest = json.loads(manifest_beside(file).read_text())
    changed(manifest, data.draw(st.sampled_from(list(numbers(manifest)))), data.draw)
    manifest_beside(file).write_text(json.dumps(manifest))
    assert told(file)


# What only its maker knows: nothing in the file speaks of it.
NOT_IN_THE_FILE = {"export_id", "manifest_sha256", "ledger_position"}


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_number_of_a_manifest_that_was_sealed_anew_is_held_against_the_file(data: st.DataObject) -> None:
    file = fresh()
    manifest = json.loads(manifest_beside(file).read_text())
    paths = [path for path in numbers(manifest) if path[0] not in NOT_IN_THE_FILE]
    path = data.draw(st.sampled_from(paths))
    # Seconds of the period's end and a single balance at both ends are told by nothing else.
    if path[0] == "period_to":
        manifest["period_to"] = "2026-11-04T12:30:01.000005Z"
    else:
        changed(manifest, path, data.draw)
    del manifest["manifest_sha256"]
    manifest_beside(file).write_bytes(sealed(manifest))
    assert told(file)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), separator=st.sampled_from(",;"))
def test_a_changed_amount_is_found_in_its_line_whatever_the_manifest_was_made_to_say(
    data: st.DataObject, separator: str
) -> None:
    file = fresh(CsvOptions(separator=separator))
    mark = separator.encode()
    number = data.draw(st.sampled_from([1, 2, 3]))
    digit_at: list[int] = []

    def change(content: bytes) -> bytes:
        lines = content.split(b"\r\n")
        cells = lines[number].split(mark)
        cell = data.draw(st.sampled_from([-1] if number == 1 else [-3, -2, -1]))
        at = data.draw(st.sampled_from([place for place, letter in enumerate(cells[cell]) if chr(letter).isdigit()]))
        digit_at.append(at)
        digit = data.draw(st.sampled_from([each for each in range(10) if each != cells[cell][at] - 48]))
        cells[cell] = cells[cell][:at] + str(digit).encode() + cells[cell][at + 1 :]
        lines[number] = mark.join(cells)
        return b"\r\n".join(lines)

    found = told(forged(file, change))
    # A top-up's amount is told by no other cell of its line: it shows in the sums.
    assert found[0].startswith("top-ups:" if number == 1 and "line" not in found[0] else f"line {number + 1}:")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b",2,0.015,-0.03", b",2,0.015,-0.02", "line 3: Credit movement is -0.02, but 2 x 0.015 makes -0.03"),
        (b",2,0.015,-0.03", b",2,0.015,-0.030", "line 3: Credit movement is -0.030, but 2 x 0.015 makes -0.03"),
        (b",2,0.015,-0.03", b",2,0.015,-3E-2", "line 3: Credit movement is -3E-2"),
        (b",2,0.015,-0.03", b",2,0.015,0.03", "line 3: Credit movement is 0.03"),
        (b",2,0.015,-0.03", b",two,0.015,-0.03", "line 3: Units charged 'two'"),
        (b",2,0.015,-0.03", b",2,0.015,-0.03,", "line 3: 8 cells, not 7"),
        (b",2,0.015,-0.03\r\n", b",2,0.015,-0.03\n", "line 3: does not end with CR LF"),
        (b",2,0.015,-0.03\r\n", b",2,0.015,-0.03\r\n\r\n", "line 4: 0 cells, not 7"),
        (b",2,0.015,-0.03", b",0,0.015,0", "line 3: a movement of nothing"),
        (b",,,50\r\n", b",,,-50\r\n", "line 2: Credit movement '-50' of a top-up is no positive amount"),
        (b",,,50\r\n", b",1,,50\r\n", "line 2: a line without a unit has units"),
        (b"2026-10-04 00:00:00", b"2026-10-03 23:59:59", "line 2: Date & Time 2026-10-03 23:59:59 lies outside"),
        (b"2026-10-04 00:00:00", b"2026-10-04 01:00:00", "line 3: Date & Time 2026-10-04 00:00:00 is earlier"),
        (b"2026-10-04 00:00:00", b"2026-10-04T00:00:00", "line 2: Date & Time '2026-10-04T00:00:00' is no time"),
        (b"2026-10-04 00:00:00", b"2026-10-34 00:00:00", "line 2: Date & Time '2026-10-34 00:00:00' is no time"),
        (b"2026-11-03 13:30:01", b"2026-11-03 13:30:02", "line 10: Date & Time 2026-11-03 13:30:02 lies outside"),
        *(
            (b"'=cmd|", f"{sign}cmd|".encode(), "line 4: a text that a spreadsheet would run as a formula")
            for sign in ("=", "\0=", "\0\0@", "\t", "\uff1d", "\uff0b", "\uff0d", "\uff20")
        ),
        (b"\xc3\xbc", b"\xff", "line 7: not UTF-8"),
        (b"Units charged", b"Units", "line 1: the header is not Date & Time,Interaction ID,"),
        (b"Date & Time", b"\xef\xbb\xbfDate & Time", "line 1: a byte-order mark"),
        (b",sms,", b",mms,", "mms in fragments: the file has 1 movements, 2 units, -0.03, the manifest says 0 movements"),
        (b"call-1,call", b'"call-1"x,call', "not CSV"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: bytes, new: bytes, expected: str) -> None:
    file = of_rows(tmp_path, month())
    assert old in file.read_bytes()
    found = told(forged(file, lambda content: content.replace(old, new, 1)))
    assert any(expected in each for each in found), found


def test_the_hour_that_comes_twice_may_seem_to_go_back_and_no_other(tmp_path: Path) -> None:
    twice = 1_792_888_200_000_000  # 2026-10-25 02:30:00 in Berlin, for the first time
    rows = [usage(twice), usage(twice + 1_800_000_000), usage(twice + 3_600_000_000)]
    file = of_rows(tmp_path, rows)
    assert [line[11:19] for line in file.read_bytes().split(b"\r\n")[1:4]] == [b"02:30:00", b"02:00:00", b"02:30:00"]
    assert told(file) == []
    back_again = forged(file, lambda content: content + content.split(b"\r\n")[2] + b"\r\n")
    assert any("line 5: Date & Time 2026-10-25 02:00:00 is earlier" in each for each in told(back_again))


def test_a_row_of_another_file_shows_in_the_sums(tmp_path: Path) -> None:
    found = told(forged(of_rows(tmp_path, month()), lambda content: content + content.split(b"\r\n")[-2] + b"\r\n"))
    assert found[0] == "movements: the file has 8, the manifest says 7"


def test_a_gzip_that_was_unpacked_on_its_way_is_named(tmp_path: Path) -> None:
    file = of_rows(tmp_path, month(), options=CsvOptions(is_gzip=True))
    file.write_bytes(gzip.decompress(file.read_bytes()))
    assert "was it unpacked on its way?" in told(file)[0]


def test_only_so_many_differences_are_told_and_all_are_counted(tmp_path: Path) -> None:
    file = of_rows(tmp_path, [usage(BEGIN + number) for number in range(100)])
    _, findings = verified(forged(file, lambda content: content.replace(b"-0.03", b"-0.04")), None)
    assert (len(findings.listed), findings.count) == (20, 102)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "not a manifest of version 1"),
        ("{}", "not a manifest of version 1"),
        ('{"manifest_version": 2}', "manifest_version"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_manifest_is_said(tmp_path: Path, text: str, why: str) -> None:
    file = of_rows(tmp_path, [])
    manifest_beside(file).write_text(text)
    with pytest.raises(NoManifestError, match=why):
        verified(file, None)


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
    assert told(file) == []
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
            cwd=Path(__file__).parents[3],
        )

    file = of_rows(tmp_path, month())
    good = command(file)
    assert (good.returncode, good.stderr) == (0, "")
    assert "7 movements of account 'acme', each recomputed; nothing wrong." in good.stdout
    moved = manifest_beside(file).rename(tmp_path / "elsewhere.json")
    without = command(file)
    assert without.returncode == 1
    assert without.stderr.count("\n") == 1
    assert "--manifest" in without.stderr
    assert command(file, "--manifest", moved).returncode == 0
    file.write_bytes(file.read_bytes().replace(b"-0.03", b"-0.04", 1))
    bad = command(file, "--manifest", moved)
    assert bad.returncode == 1
    assert "line 3: Credit movement is -0.04, but 2 x 0.015 makes -0.03" in bad.stdout
    assert "is NOT what its manifest says" in bad.stdout
    assert command(tmp_path / "nothing.csv", "--manifest", moved).stderr.count("\n") == 1


def test_the_last_second_of_a_period_that_ends_within_it_belongs_to_it(tmp_path: Path) -> None:
    assert told(of_rows(tmp_path, [usage(REQUESTED_AT - 1), usage(REQUESTED_AT - 1)])) == []
