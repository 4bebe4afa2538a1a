"""The headers that a browser gets with a file."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.file.headers import content_disposition, file_headers


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("credit-movements_2026-01-01_2026-01-31.csv", "text/csv; charset=utf-8"),
        ("credit-movements_2026-01-01_2026-01-31.csv.gz", "application/gzip"),
        ("credit-movements_2026-01-01_2026-01-31.manifest.json", "application/json"),
        ("what.html", "application/octet-stream"),
    ],
)
def test_a_file_has_the_type_of_its_name_and_is_never_shown_in_place(name: str, content_type: str) -> None:
    assert file_headers(name) == {
        "Content-Type": content_type,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-store",
    }


def test_a_name_of_another_script_is_told_twice() -> None:
    assert content_disposition("Größe 1.csv") == (
        "attachment; filename=\"Gr__e_1.csv\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201.csv"
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_name_breaks_out_of_the_header(name: str) -> None:
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    head, _, exact = header.partition("; filename*=UTF-8''")
    assert head.startswith('attachment; filename="')
    assert head.count('"') == 2
    assert unquote(exact) == name or (not exact and head == f'attachment; filename="{name}"')
