"""What the dashboard's page is made of, as a browser gets it: HTML, style, scripts, and in `vendor` another's chart library.

No markup is made here and nothing of an account lies here. Begin with `page.html`, then `billing.js`.
"""

from importlib.resources import files
from typing import Final, NamedTuple

_HTML, _CSS, _SCRIPT = "text/html", "text/css", "text/javascript"
# The path under /dashboard/, and what is there: nothing else of this folder is served.
_SERVED: Final = {
    "": ("page.html", _HTML),
    "page.css": ("page.css", _CSS),
    "charts.css": ("charts.css", _CSS),
    "alerts.js": ("alerts.js", _SCRIPT),
    "billing.js": ("billing.js", _SCRIPT),
    "parts.js": ("parts.js", _SCRIPT),
    "money.js": ("money.js", _SCRIPT),
    "days.js": ("days.js", _SCRIPT),
    "export.js": ("export.js", _SCRIPT),
    "spending.js": ("spending.js", _SCRIPT),
    "bars.js": ("bars.js", _SCRIPT),
    "movements.js": ("movements.js", _SCRIPT),
    "chart.js": ("vendor/chart.js", _SCRIPT),
}


class ServedFile(NamedTuple):
    text: str
    content_type: str


def served_files() -> dict[str, ServedFile]:
    """By path under `/dashboard/`."""
    folder = files(__name__)
    return {
        path: ServedFile((folder / name).read_text(encoding="utf-8"), content_type)
        for path, (name, content_type) in _SERVED.items()
    }
