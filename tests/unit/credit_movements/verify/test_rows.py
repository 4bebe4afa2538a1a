"""`verify` names the line that is wrong."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_movements.verify.verification import verified
from exporter.request.csv_options import CsvOptions
from tests.unit.credit_movements.verify.exported import month, of_rows, period_of, usage
from tests.unit.credit_movements.verify.verifying import findings_of, forged, fresh

BEGIN = period_of().from_micros


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
        at = data.draw(st.sampled_from([index for index, letter in enumerate(cells[cell]) if chr(letter).isdigit()]))
        digit_at.append(at)
        digit = data.draw(st.sampled_from([each for each in range(10) if each != cells[cell][at] - 48]))
        cells[cell] = cells[cell][:at] + str(digit).encode() + cells[cell][at + 1 :]
        lines[number] = mark.join(cells)
        return b"\r\n".join(lines)

    found = findings_of(forged(file, change))
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
        (b",refund,,,,0.03", b",refund,,,,0.02", "adjustments: the file has -19.98, the manifest says -19.97"),
        (b",refund,,,,0.03", b",refund,,,,+0.03", "line 10: Credit movement '+0.03' of a refund is no amount"),
        (b",refund,,,,0.03", b",refund,,1,,0.03", "line 10: a line without a unit has units"),
        (b",refund,,,,0.03", b",refund,,,,0", "line 10: a movement of nothing"),
        (b",refund,,,,0.03", b",Refund,,,,0.03", "line 10: a line without a unit is 'Refund', neither a top-up nor"),
        (b",refund,,,,0.03", b",top-up,,,,0.03", "top-ups: the file has 50.03, the manifest says 50"),
        (b"2026-10-04 00:00:00", b"2026-10-03 23:59:59", "line 2: Date & Time 2026-10-03 23:59:59 lies outside"),
        (b"2026-10-04 00:00:00", b"2026-10-04 01:00:00", "line 3: Date & Time 2026-10-04 00:00:00 is earlier"),
        (b"2026-10-04 00:00:00", b"2026-10-04T00:00:00", "line 2: Date & Time '2026-10-04T00:00:00' is no time"),
        (b"2026-10-04 00:00:00", b"2026-10-34 00:00:00", "line 2: Date & Time '2026-10-34 00:00:00' is no time"),
        (b"2026-11-03 13:30:01", b"2026-11-03 13:30:02", "line 12: Date & Time 2026-11-03 13:30:02 lies outside"),
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
    found = findings_of(forged(file, lambda content: content.replace(old, new, 1)))
    assert any(expected in each for each in found), found


def test_the_hour_that_comes_twice_may_seem_to_go_back_and_no_other(tmp_path: Path) -> None:
    twice = 1_792_888_200_000_000  # 2026-10-25 02:30:00 in Berlin, for the first time
    rows = [usage(twice), usage(twice + 1_800_000_000), usage(twice + 3_600_000_000)]
    file = of_rows(tmp_path, rows)
    assert [line[11:19] for line in file.read_bytes().split(b"\r\n")[1:4]] == [b"02:30:00", b"02:00:00", b"02:30:00"]
    assert findings_of(file) == []
    back_again = forged(file, lambda content: content + content.split(b"\r\n")[2] + b"\r\n")
    assert any("line 5: Date & Time 2026-10-25 02:00:00 is earlier" in each for each in findings_of(back_again))


def test_a_row_of_another_file_shows_in_the_sums(tmp_path: Path) -> None:
    found = findings_of(
        forged(of_rows(tmp_path, month()), lambda content: content + content.split(b"\r\n")[-2] + b"\r\n")
    )
    assert found[0] == "movements: the file has 10, the manifest says 9"


def test_only_so_many_differences_are_told_and_all_are_counted(tmp_path: Path) -> None:
    file = of_rows(tmp_path, [usage(BEGIN + number) for number in range(100)])
    _, findings = verified(forged(file, lambda content: content.replace(b"-0.03", b"-0.04")), None)
    assert (len(findings.listed), findings.count) == (20, 102)
