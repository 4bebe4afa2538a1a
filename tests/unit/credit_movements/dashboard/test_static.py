"""What a browser gets is all there, is ours or the named version of another's, and asks nobody else."""

import hashlib
import re
from importlib.resources import files

from credit_movements.dashboard import static
from credit_movements.dashboard.static import served_files

# As npm has it, in chart.js-4.6.1.tgz: package/dist/chart.umd.min.js. A new version is a new sum, and a look at its licence.
CHART_SHA256 = "87364cc2b2a76a6684929e7d6b80b18a897794db38400caff1fcf1791c6925d2"


def test_all_that_the_page_names_is_served() -> None:
    served = served_files()
    named = re.findall(r'(?:src|href)="([^"]+)"', served[""].text)
    for path, file in served.items():
        if file.content_type == "text/javascript" and path != "chart.js":
            named += re.findall(r'from "\./([^"]+)"', file.text)
    assert {name for name in named if not name.startswith("data:")} == set(served) - {""}


def test_the_chart_library_is_the_one_that_was_published_with_its_licence() -> None:
    chart = served_files()["chart.js"].text
    assert hashlib.sha256(chart.encode()).hexdigest() == CHART_SHA256
    assert "Chart.js v4.6.1" in chart
    licence = (files(static) / "vendor" / "LICENSE-chart.js.md").read_text(encoding="utf-8")
    assert "The MIT License" in licence
    assert "Chart.js Contributors" in licence


def test_no_script_of_ours_makes_markup_of_text_or_names_another_server() -> None:
    found = [
        f"{path}: {match}"
        for path, file in served_files().items()
        if path != "chart.js"
        for match in re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|https?://(?!www\.w3\.org/)\S+| style=",
            file.text,
        )
    ]
    assert found == []
