"""What `rates lint` says of a deck."""

from pathlib import Path

import pytest

from schemas.topics import RATES
from schemas.wire import MAX_VALUE_BYTES
from streams.pricing.deck.cells import price_nanos
from streams.pricing.deck.parsing import read_deck
from streams.pricing.deck.sheet import COLUMNS
from streams.pricing.rates import (
    LATEST_MICROS,
    MAX_AMOUNT_NANOS,
    MAX_DESTINATION_NAME_BYTES,
    MAX_INCREMENT,
    BadRateError,
    Rate,
)
from tests.unit.credit_movements.audit.spoiled import CODECS

GOOD = "default,call,4915,Germany mobile,seconds,1,30,6,0.0015,1,EUR,2026-01-01T00:00:00Z,"


def linted(tmp_path: Path, *lines: str, header: str = ",".join(COLUMNS)) -> list[str]:
    path = tmp_path / "rates.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return [str(fault) for fault in read_deck(path).faults]


def test_a_good_deck_has_no_faults_and_exact_prices(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("\n".join([",".join(COLUMNS), GOOD, "", GOOD.replace("4915", "")]), encoding="utf-8-sig")
    deck = read_deck(path)
    assert deck.faults == []
    assert [(rate.destination_prefix, rate.price_nanos) for rate in deck.rates] == [
        ("4915", 1_500_000),
        ("", 1_500_000),
    ]
    assert deck.rates[0].key == "default|call|4915|2026-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("seconds,1,30,6", "hours,1,30,6", "line 2, unit: unknown unit 'hours'"),
        ("seconds,1,30,6", "minutes,60,60,90", "line 2, increment: 90 is no multiple of the unit size 60"),
        ("seconds,1,30,6", "minutes,1,60,60", "line 2, unit_size: must be 60 for minutes"),
        ("seconds,1,30,6", "seconds,1,0,6", "line 2, initial_increment: must be from 1"),
        ("seconds,1,30,6", "seconds,1,x,6", "line 2, initial_increment: 'x' is no whole number"),
        ("0.0015", "0.0000000015", "line 2, price: '0.0000000015' has 10 decimal places"),
        ("0.0015", "NaN", "line 2, price: 'NaN' is no decimal number"),
        ("0.0015", "-1", "line 2, price: must be 0 or more"),
        ("0.0015", "1E+999999999", "line 2, price: '1E+999999999' is no decimal number"),
        ("0.0015", "1E2", "line 2, price: '1E2' is no decimal number"),
        ("0.0015", "1_234.5", "line 2, price: '1_234.5' is no decimal number"),
        ("0.0015", '"1,5"', "line 2, price: '1,5' is no decimal number"),
        ("0.0015", "0.\uff11", "line 2, price: '0.\uff11' is no decimal number"),
        ("0.0015", " 0.0015", "line 2, price: ' 0.0015' is no decimal number"),
        ("0.0015", "", "line 2, price: '' is no decimal number"),
        ("0.0015", "1000000000", "line 2, price: '1000000000' must be below 1,000,000,000"),
        ("0.0015", f"0.1{28 * '0'}1", f"line 2, price: '0.1{28 * '0'}1' has 30 decimal places"),
        ("0.0015", f"0.{60_000 * '1'}", f"line 2, price: '0.{38 * '1'}...' has 60000 decimal places"),
        ("0.0015", f"{60_000 * '9'}.1", f"line 2, price: '{40 * '9'}...' must be below"),
        (",1,EUR", ",1001,EUR", "line 2, price_units: must be 1 to 1,000, 3,600, or a power of ten"),
        (",1,EUR", ",0,EUR", "line 2, price_units: must be 1 to 1,000"),
        (",1,EUR", ",x,EUR", "line 2, price_units: 'x' is no whole number"),
        ("30,6,0.0015,1", "300001,6,0.0015,7", "line 2, initial_increment: a price for 7 units that does not end"),
        (",EUR,", ",euro,", "line 2, currency: 'euro' is no ISO 4217 code"),
        ("4915", "+4915", "line 2, destination_prefix: must be at most 18 digits"),
        ("4915", "004915", "line 2, destination_prefix: no number begins with 00: write 4915"),
        ("4915", "00", "line 2, destination_prefix: no number begins with 00: write the country's code"),
        ("4915", "49\u0661", "line 2, destination_prefix: must be at most 18 digits"),
        ("4915", "49 15", "line 2, destination_prefix: '49 15' has a blank (U+0020) as character 3: write it without"),
        ("4915", "4915\u200e", r"line 2, destination_prefix: '4915\u200e' has an invisible character (U+200E) as char"),
        (
            "default",
            "default ",
            "line 2, rate_card_id: 'default ' has a blank (U+0020) as character 8: write it without",
        ),
        ("default", "de fault", "line 2, rate_card_id: 'de fault' has a blank (U+0020) as character 3"),
        ("default", "default\u00a0", r"line 2, rate_card_id: 'default\xa0' has a blank (U+00A0) as character 8"),
        ("default", "\u2060default", r"line 2, rate_card_id: '\u2060default' has an invisible character (U+2060) as"),
        ("call", "call\u200b", r"line 2, usage_type: 'call\u200b' has an invisible character (U+200B) as character 5"),
        ("call", "call\ufe0f", r"line 2, usage_type: 'call\ufe0f' has an invisible character (U+FE0F) as character 5"),
        ("call", "ca\x00ll", r"line 2, usage_type: 'ca\x00ll' has a control character (U+0000) as character 3"),
        ("Germany mobile", '"Germany\nmobile"', r"line 3, destination_name: 'Germany\nmobile' has a control character"),
        (
            "Germany mobile",
            "G" * 70_000,
            "line 2, destination_name: 70000 bytes are too long for one record, at most 60000",
        ),
        (",EUR,", ",EUR\t,", r"line 2, currency: 'EUR\t' has a control character (U+0009) as character 4"),
        ("call", "top-up", "line 2, usage_type: 'top-up' is what top-ups are called"),
        ("default", "a|b", "line 2, rate_card_id: must not contain '|'"),
        ("00:00:00Z", "00:00:00", "line 2, effective_from: '2026-01-01T00:00:00' has no time zone"),
        ("2026-01-01T00:00:00Z,", "2026-01-01T00:00:00Z,2025-01-01T00:00:00Z", "line 2, effective_to: must be after"),
        ("2026-01-01T00:00:00Z,", "2026-01-01T00:00:00Z", "line 2: 12 columns, expected 13"),
        ("default", '"default', "line 2: no CSV"),
    ],
)
def test_a_fault_names_line_column_and_what_is_wrong(tmp_path: Path, old: str, new: str, fault: str) -> None:
    faults = linted(tmp_path, GOOD.replace(old, new))
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_lines_that_contradict_each_other(tmp_path: Path) -> None:
    assert linted(
        tmp_path,
        GOOD,
        GOOD,
        GOOD.replace("2026-01-01", "2026-03-01") + "2026-04-01T00:00:00Z",
        GOOD.replace("4915", "4916").replace("EUR", "USD"),
    ) == [
        "line 3, effective_from: the same card, type, prefix and start as line 2",
        "line 4, effective_from: its period overlaps with that of line 3: write 2026-03-01T00:00:00.000000Z as effective_to"
        " of line 3",
        "line 5, currency: USD, but card 'default' is in EUR (line 2)",
    ]


def test_types_that_differ_in_case_alone(tmp_path: Path) -> None:
    lines = (
        GOOD.replace("call", each).replace("4915", f"{row}")
        for row, each in enumerate(["call", "CALL", "sms", "Call"], 1)
    )
    assert linted(tmp_path, *lines) == [
        "line 3, usage_type: 'CALL' differs from 'call' (line 2) in case alone: types are compared exactly, write one of them",
        "line 5, usage_type: 'Call' differs from 'call' (line 2) in case alone: types are compared exactly, write one of them",
    ]


def test_a_name_of_the_length_that_is_allowed_fits_into_a_record_whatever_else_is_in_it() -> None:
    most = Rate(
        "\U0001f600" * 128, "\U0001f600" * 128, "9" * 18, "n" * MAX_DESTINATION_NAME_BYTES, "fragments", 1, MAX_INCREMENT,
        MAX_INCREMENT, MAX_AMOUNT_NANOS, 10**9, "EUR", LATEST_MICROS - 1, LATEST_MICROS,
    )  # fmt: skip
    assert Rate.checked(vars(most)) == most
    assert len(CODECS[RATES.name].encode_one(vars(most))) <= MAX_VALUE_BYTES
    with pytest.raises(BadRateError, match="60001 bytes are too long"):
        Rate.checked({**vars(most), "destination_name": "n" * (MAX_DESTINATION_NAME_BYTES - 1) + "\u00fc"})


def test_an_open_rate_ends_where_the_next_open_one_begins(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    lines = [GOOD.replace("2026-01-01", day) for day in ("2026-03-01", "2026-01-01", "2026-05-01")]
    path.write_text("\n".join([",".join(COLUMNS), *lines]))
    deck = read_deck(path)
    assert deck.faults == []
    assert [str(note) for note in deck.notes] == [
        "line 2, effective_to: set to 2026-05-01T00:00:00.000000Z, where line 4 begins",
        "line 3, effective_to: set to 2026-03-01T00:00:00.000000Z, where line 2 begins",
    ]
    begins = dict(zip(deck.lines, deck.rates, strict=True))
    assert [begins[line].effective_to for line in (2, 3, 4)] == [
        begins[4].effective_from,
        begins[2].effective_from,
        None,
    ]


def test_periods_that_touch_do_not_overlap(tmp_path: Path) -> None:
    assert linted(tmp_path, GOOD + "2026-03-01T00:00:00Z", GOOD.replace("2026-01-01", "2026-03-01")) == []


def test_the_units_of_a_price_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    for header, line in (
        (COLUMNS, GOOD.replace(",1,EUR", ",,EUR")),
        (COLUMNS[:9] + COLUMNS[10:], GOOD.replace(",1,EUR", ",EUR")),
    ):
        path.write_text("\n".join([",".join(header), line, line.replace("4915", "")]))
        deck = read_deck(path)
        assert (deck.faults, [rate.price_units for rate in deck.rates]) == ([], [1, 1])


@pytest.mark.parametrize("units", [1, 60, 1000, 3600, 10_000, 10**9])
def test_a_price_for_so_many_units(tmp_path: Path, units: int) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("\n".join([",".join(COLUMNS), GOOD.replace(",1,EUR", f",{units},EUR")]))
    [rate] = read_deck(path).rates
    assert (rate.price_nanos, rate.price_units) == (1_500_000, units)


def test_other_columns_and_an_empty_file(tmp_path: Path) -> None:
    assert linted(tmp_path, GOOD, header="card,type") == [f"line 1: the columns must be {','.join(COLUMNS)}"]
    assert linted(tmp_path, GOOD, header=";".join(COLUMNS)) == [
        f"line 1: the columns must be {','.join(COLUMNS)}, separated by commas, not by semicolons"
    ]
    (tmp_path / "empty.csv").write_text("")
    assert [str(fault) for fault in read_deck(tmp_path / "empty.csv").faults] == ["line 1: the file is empty"]
    (tmp_path / "latin.csv").write_bytes(b"caf\xe9")
    assert "not UTF-8" in str(read_deck(tmp_path / "latin.csv").faults[0])


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0", 0),
        ("0.000000001", 1),
        ("999999999.999999999", 10**18 - 1),
        ("1.50", 1_500_000_000),
        (".5", 500_000_000),
        ("5.", 5_000_000_000),
        (f"{40 * '0'}1.{1}{5_000 * '0'}", 1_100_000_000),
    ],
)
def test_prices_are_exact(text: str, nanos: int) -> None:
    assert price_nanos(text) == nanos
