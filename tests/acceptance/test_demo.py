"""`make demo`, on a smaller company."""

import csv
from pathlib import Path

from tests.acceptance.command import run


def test_the_demo_ends_by_itself_and_all_its_figures_hold(tmp_path: Path) -> None:
    shown = run("demo", "--events", "8000", "--data-dir", str(tmp_path / "demo"), seconds=180)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.count("✓") == 15
    assert "✗" not in shown.stdout
    assert shown.stderr == ""
    bars = [line.strip() for line in shown.stdout.splitlines() if set(line.strip()) & {*"█▁▂▃▄▅▆▇"}]
    assert sum(set(bar) <= {*" ▁▂▃▄▅▆▇█"} for bar in bars) == 6, "the chart of days"
    (file,) = (tmp_path / "demo").glob("credit-movements_*.csv")
    with file.open(newline="") as lines:
        rows = list(csv.reader(lines))
    assert rows[0] == [
        "Date & Time",
        "Interaction ID",
        "Description",
        "Units",
        "Units charged",
        "Value per unit",
        "Credit movement",
    ]
    assert len(rows) > 100
    (refund,) = [row for row in rows if row[2] == "refund"]
    (charge,) = [row for row in rows if row[1] == refund[1] and row is not refund]
    assert refund[3:6] == ["", "", ""]
    assert refund[6] == charge[6].removeprefix("-") != charge[6]
    assert len(list((tmp_path / "demo").glob("credit-movements_*.xlsx"))) == 1
    (eml,) = (tmp_path / "demo" / "mails").glob("*.eml")
    alarm = next(
        each
        for each in (tmp_path / "demo" / "alerts" / "mails").glob("*.eml")
        if "User anna-0 has spent" in each.read_text()
    )
    for name in (eml, eml.with_suffix(".html"), alarm, alarm.with_suffix(".html")):
        assert str(name) in shown.stdout.replace("\n", "")
        assert name.stat().st_size > 1000
