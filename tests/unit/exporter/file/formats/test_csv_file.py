"""The bytes of the CSV, held against Python's own csv module and decimals."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.file.formats.csv_file import csv_chunks
from exporter.request.csv_options import CsvOptions
from exporter.request.window import Period, export_period, known_time_zones
from tests.unit.credit_movements.verify.exported import COLUMNS, HEADER

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST = 10**18 - 1


def period_of(zone: str = "UTC", year: int = 2026, month: int = 4) -> Period:
    at = (datetime(year, month, 15, 12, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    period = export_period(at, zone)
    assert isinstance(period, Period)
    return period


def written(rows: list[dict[str, Any]], period: Period, separator: str = ",") -> bytes:
    return b"".join(csv_chunks([pl.DataFrame(rows, schema=COLUMNS)], period, CsvOptions(separator=separator)))


def movement(**fields: Any) -> dict[str, Any]:
    return {
        "occurred_at_micros": period_of().from_micros,
        "interaction_id": "call-1",
        "description": "call",
        "unit": "minutes",
        "units_charged": 2,
        "price_nanos": 15_000_000,
        "price_units": 1,
        "credit_movement_nanos": -30_000_000,
    } | fields


def line(**fields: Any) -> str:
    return written([movement(**fields)], period_of()).removeprefix(HEADER).decode()


def plain(nanos: int) -> str:
    number = Decimal(nanos).scaleb(-9)
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def value_per_unit(row: dict[str, Any]) -> str:
    """With 18 decimals, rounded away from zero, as somebody with a long piece of paper would divide."""
    with localcontext(prec=60, rounding=ROUND_UP):
        value = (Decimal(row["price_nanos"]).scaleb(-9) / row["price_units"]).quantize(Decimal("1e-18"))
    return format(value.normalize(), "f")


def guarded(text: str) -> str:
    return "'" + text if text.lstrip("\0")[:1] in {*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20"} else text


def by_the_book(rows: list[dict[str, Any]], zone: str, separator: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)

    def number(nanos: int) -> str:
        return plain(nanos) if separator == "," else plain(nanos).replace(".", ",")

    for row in rows:
        at = (EPOCH + timedelta(microseconds=row["occurred_at_micros"])).astimezone(ZoneInfo(zone))
        usage = row["unit"] != ""
        writer.writerow(
            [
                at.strftime("%Y-%m-%d %H:%M:%S"),
                guarded(row["interaction_id"]),
                guarded(row["description"]),
                row["unit"],
                str(row["units_charged"]) if usage else "",
                value_per_unit(row).replace(".", "." if separator == "," else ",") if usage else "",
                number(row["credit_movement_nanos"]),
            ]
        )
    return HEADER.replace(b",", separator.encode()) + text.getvalue().encode()


def test_the_header_is_the_contracts() -> None:
    assert HEADER == b"Date & Time,Interaction ID,Description,Units,Units charged,Value per unit,Credit movement\r\n"
    assert list(csv_chunks([], period_of())) == [HEADER]


def test_a_usage_line() -> None:
    assert line() == "2026-03-16 00:00:00,call-1,call,minutes,2,0.015,-0.03\r\n"


def test_a_top_up_has_no_units() -> None:
    top_up = {"description": "top-up", "unit": "", "units_charged": 0, "price_nanos": 0, "price_units": 1}
    assert line(**top_up, credit_movement_nanos=50_000_000_000) == "2026-03-16 00:00:00,call-1,top-up,,,,50\r\n"


@pytest.mark.parametrize("kind", ["refund", "chargeback", "correction"])
@pytest.mark.parametrize(("nanos", "told"), [(79_600_000, "0.0796"), (-25_000_000_000, "-25")])
def test_an_adjustment_has_no_units_and_any_sign(kind: str, nanos: int, told: str) -> None:
    adjustment = {"description": kind, "unit": "", "units_charged": 0, "price_nanos": 0, "price_units": 1}
    assert line(**adjustment, credit_movement_nanos=nanos) == f"2026-03-16 00:00:00,call-1,{kind},,,,{told}\r\n"


@pytest.mark.parametrize("name", ["top-up", "refund"])
def test_what_has_a_unit_was_used_whatever_it_is_called(name: str) -> None:
    assert line(description=name).endswith(f",{name},minutes,2,0.015,-0.03\r\n")


def test_what_costs_something_though_a_unit_is_free_shows_zeros() -> None:
    assert line(units_charged=0, price_nanos=0).endswith(",minutes,0,0,-0.03\r\n")


@pytest.mark.parametrize(
    ("price_nanos", "price_units", "text"),
    [
        (200_000_000, 60, "0.003333333333333334"),
        (600_000_000, 60, "0.01"),
        (1, 10**9, "0.000000000000000001"),
        (10**18 - 1, 999, "1001001.001001001"),
        (LARGEST, 1, "999999999.999999999"),
        (0, 3600, "0"),
    ],
)
def test_the_value_per_unit_of_a_price_for_many(price_nanos: int, price_units: int, text: str) -> None:
    assert line(price_nanos=price_nanos, price_units=price_units).endswith(f",minutes,2,{text},-0.03\r\n")


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (-1, "-0.000000001"),
        (1, "0.000000001"),
        (-30_000_000, "-0.03"),
        (-1_000_000_000, "-1"),
        (100_000_000_000, "100"),
        (1_010_000_000, "1.01"),
        (LARGEST, "999999999.999999999"),
        (-LARGEST, "-999999999.999999999"),
        (0, "0"),
    ],
)
def test_numbers_are_plain_decimals(nanos: int, text: str) -> None:
    assert line(credit_movement_nanos=nanos).endswith(f",{text}\r\n")


def test_seconds_are_cut_not_rounded() -> None:
    at = period_of().from_micros + 59_999_999
    assert line(occurred_at_micros=at).startswith("2026-03-16 00:00:59,")


def test_times_follow_the_clock_through_its_change() -> None:
    period = period_of("Europe/Berlin")
    change = (datetime(2026, 3, 29, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    rows = [movement(occurred_at_micros=at) for at in (change - 1, change)]
    times = [row.split(b",")[0] for row in written(rows, period).splitlines()[1:]]
    assert times == [b"2026-03-29 01:59:59", b"2026-03-29 03:00:00"]


@pytest.mark.parametrize("nuls", ["", "\0", "\0\0\0"])
@pytest.mark.parametrize("sign", "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
def test_a_text_that_a_spreadsheet_would_run_is_disarmed(sign: str, nuls: str) -> None:
    first = nuls + sign
    quoted = f'"\'{first}x"' if sign in "\r\n" else f"'{first}x"
    assert line(interaction_id=f"{first}x", description=f"{first}x").split(",", 1)[1].startswith(f"{quoted},{quoted},")


def test_numbers_are_never_disarmed() -> None:
    assert "'" not in line(credit_movement_nanos=-1)


@pytest.mark.parametrize("text", ["a,b", 'a"b', "a\nb", "a\rb", "a\r\nb", '"', ","])
def test_a_field_is_quoted_where_it_must_be(text: str) -> None:
    assert line(interaction_id=text).split(",", 1)[1].startswith('"' + text.replace('"', '""') + '",call,')


def test_with_semicolons_numbers_have_a_decimal_comma_and_need_no_quotes() -> None:
    row = written([movement(interaction_id="a,b", description="a;b")], period_of(), ";").splitlines()[1]
    assert row == b'2026-03-16 00:00:00;a,b;"a;b";minutes;2;0,015;-0,03'


@pytest.mark.parametrize("text", ["", " a ", "a'b", "a;b", "\ta"[1:], "ü猫😀", "\ufeffa", "\x00", "\0a=", "\u2028"])
def test_a_field_is_not_quoted_where_it_need_not_be(text: str) -> None:
    assert line(interaction_id=text).split(",", 1)[1].startswith(f"{text},call,")


TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(alphabet="\0=+-@\uff1d\uff0b\uff0d\uff20\t\r\n\",' a\\;é猫", max_size=12),
)
MONEY = st.integers(-LARGEST, LARGEST) | st.integers(-20, 20).map(lambda n: n * 10**8)


@settings(deadline=None)
@given(
    data=st.data(),
    zone=st.sampled_from(sorted(known_time_zones())),
    month=st.integers(1, 12),
    separator=st.sampled_from(",;"),
)
@example(data=None, zone="Australia/Lord_Howe", month=4, separator=",")
def test_every_file_agrees_with_the_csv_module(data: Any, zone: str, month: int, separator: str) -> None:
    period = period_of(zone, month=month)
    rows = [movement(occurred_at_micros=period.to_micros - 1)]
    if data is not None:
        rows += data.draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "occurred_at_micros": st.integers(period.from_micros, period.to_micros - 1),
                        "interaction_id": TEXTS,
                        "description": TEXTS,
                        "unit": st.sampled_from(["seconds", "minutes", "fragments", "messages", "", 'a "new", one']),
                        "units_charged": st.integers(0, 2**63 - 1),
                        "price_nanos": MONEY.map(abs),
                        "price_units": st.sampled_from([1, 3, 60, 999, 3600, 10**9]),
                        "credit_movement_nanos": MONEY,
                    }
                ),
                max_size=8,
            )
        )
    assert written(rows, period, separator) == by_the_book(rows, zone, separator)


def test_blocks_follow_one_another_in_one_file() -> None:
    blocks = [pl.DataFrame([movement(interaction_id=f"{n}")], schema=COLUMNS) for n in range(3)]
    empty = pl.DataFrame([], schema=COLUMNS)
    chunks = list(csv_chunks([blocks[0], empty, *blocks[1:]], period_of()))
    assert len(chunks) == 5
    assert [row.split(b",")[1] for row in b"".join(chunks).splitlines()[1:]] == [b"0", b"1", b"2"]


def test_a_long_block_in_which_most_things_come_back_agrees_too() -> None:
    period = period_of("Europe/Berlin")
    rows = [
        movement(
            occurred_at_micros=period.from_micros + number * 777_777_777,
            interaction_id=("plain", "=1+1", 'with "quotes", and more')[number % 3],
            description=("call", "sms", "-minus", 'a "b"')[number % 4],
            unit=("minutes", "", "fragments, sent")[number % 3],
            units_charged=number % 7,
            price_nanos=(15_000_000, 0, 1)[number % 3],
            price_units=(1, 60, 7)[number % 5 % 3],
            credit_movement_nanos=(number % 11 - 5) * 10 ** (number % 12),
        )
        for number in range(3_000)
    ]
    assert written(rows, period) == by_the_book(rows, "Europe/Berlin", ",")
