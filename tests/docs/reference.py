"""The pages of docs/reference that are made from the code: settings, commands, metrics, records, dead-letter reasons.

`python -m tests.docs.reference` (in `make reference`) writes them. tests/unit/test_docs.py fails where a committed page is
not what the code says today.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from enum import EnumMeta
from pathlib import Path
from typing import Any

from typer.main import get_command

from credit_movements.commands.main import SETTINGS_HELP, app
from credit_movements.settings import described_settings
from schemas.dead_letters import Reason
from schemas.topics import RECORD_TOPICS
from streams.pricing.checks import CHECKS
from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "reference"
PACKAGES = ("schemas", "kafka_io", "streams", "sinks", "exporter", "credit_movements")
METRIC_KINDS = ("Counter", "Gauge", "Histogram")
MADE = "<!-- made by `make reference`; do not edit -->"
# What the checks of the decoder find: they come before the checks that have a sentence of their own.
BEFORE_THE_CHECKS = {
    Reason.UNDECODABLE: "no value, too short, wrong magic byte, truncated, bytes too many, over 64 KiB",
    Reason.UNKNOWN_SCHEMA: "a schema id that is not of the topic's own subject",
}


def settings_page() -> str:
    rows = [
        (f"`{name}`", f"`{default}`" if default else "", meaning) for name, default, meaning in described_settings()
    ]
    return _page(
        "Settings",
        "Every setting is an environment variable. Durations are ISO 8601 (`P7D`, `PT10M`) or a number of seconds. A wrong or"
        " missing setting stops the start with one line that names it. Each secret may stand"
        " [in a file](../production/kafka.md#secrets-from-files): `_FILE` behind its name. What happens where two workers"
        " have a setting differently stands in [Run it in production](../production/index.md).",
        _table(("variable", "default", "what it is"), rows),
    )


def settings_help() -> str:
    lines = [f"{name} ({default or 'none'}): {meaning}" for name, default, meaning in described_settings()]
    title = (
        "Settings (environment variables, with their defaults; NAME_FILE may name a file that holds the secret NAME):"
    )
    return "\n\n".join([title, *lines]) + "\n"


def commands_page() -> str:
    return _page(
        "Commands",
        "One console command, `credit-movements`, in `.venv/bin` after `make`. `--help` shows the same behind each command.",
        *_described(get_command(app), "credit-movements"),
    )


def metrics_page() -> str:
    rows = sorted(metrics())
    return _page(
        "Metrics",
        "Each worker serves these at `/metrics` in Prometheus' text form, beside `/healthz` and `/readyz`. `audit --every`"
        " serves those of the audit. Prometheus adds `_total` to the name of a counter, and `_bucket`, `_sum` and `_count` to"
        " that of a histogram.",
        _table(("name", "kind", "labels", "what it counts", "made in"), rows),
    )


def records_page() -> str:
    sections = []
    for topic in RECORD_TOPICS:
        newest = max((ROOT / "schemas" / "avro").glob(f"{topic.record}.*avsc"), key=_version)
        schema = json.loads(newest.read_text(encoding="utf-8"))
        rows = [(f"`{each['name']}`", _avro_type(each["type"]), each["doc"]) for each in schema["fields"]]
        sections += [
            f"## {topic.record}",
            f"Topic `{topic.name}`, key `{topic.key}`. {schema['doc']}",
            _table(("field", "type", "what it is"), rows),
        ]
    return _page(
        "Records",
        "The newest version of each record, field by field, as its Avro schema documents it. The schemas lie in"
        " [`schemas/avro`](../../schemas/avro), good and bad examples in [`schemas/examples`](../../schemas/examples).",
        *sections,
    )


def dead_letters_page() -> str:
    rows = []
    for reason in Reason:
        sentences = [_sentence(check.value[1]) for check in CHECKS if check.reason is reason]
        rows.append(
            (
                f"`{reason.value}`",
                BEFORE_THE_CHECKS.get(reason, "; ".join(sentences)),
                "yes" if reason.may_pass_later else "",
            )
        )
    return _page(
        "Dead-letter reasons",
        "A record that cannot be used lies in `<topic>.dlq` with its original bytes and the headers `dlq.reason`,"
        " `dlq.detail`, `dlq.source.topic`, `dlq.source.partition` and `dlq.source.offset`. The reasons stand here in the order"
        " of the checks; the first one that fails is the reason. The limits are [settings](settings.md). The rule is 3.6 of the"
        " [contract](CONTRACT.md). [Operate it](../how-to/operate.md) says how to list dead letters and send them again.",
        _table(("`dlq.reason`", "the details that it comes with", "can pass later, as it is"), rows),
    )


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "metrics.md": metrics_page,
    "records.md": records_page,
    "dead-letters.md": dead_letters_page,
}


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", MADE, *parts]) + "\n"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _described(command: Any, name: str) -> Iterator[str]:
    if name != "credit-movements":
        yield f"## {name.removeprefix('credit-movements ')}"
        yield " ".join((command.help or "").split())
        usage = " ".join([name, *(part for each in command.params if (part := _in_usage(each)))])
        yield f"`{usage}`"
        rows = [row for each in command.params if (row := _option(each))]
        if rows:
            yield _table(("option", "default", "what it is"), rows)
    for child_name, child in sorted(getattr(command, "commands", {}).items()):
        yield from _described(child, f"{name} {child_name}")


def _in_usage(parameter: Any) -> str:
    return str(parameter.name).upper() if _is_argument(parameter) else ""


def _is_argument(parameter: Any) -> bool:
    return not str(parameter.opts[0]).startswith("-")


def _option(parameter: Any) -> tuple[str, str, str] | None:
    if _is_argument(parameter) or parameter.name == "help":
        return None
    default = (
        "" if parameter.default in (None, False, ()) else f"`{getattr(parameter.default, 'value', parameter.default)}`"
    )
    kind = parameter.type_descriptor.annotation
    named = ", ".join(f"`{each.value}`" for each in kind) if isinstance(kind, EnumMeta) else ""
    meaning = " ".join([parameter.help or "", *([f"One of {named}."] if named else [])])
    return ", ".join(f"`{each}`" for each in parameter.opts), default, meaning


def metrics() -> Iterator[tuple[str, ...]]:
    """(name, kind, labels, meaning, where it is made) of each metric, as the page shows them."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _is_metric(node):
                    yield _metric(node, path)


def _is_metric(node: ast.Call) -> bool:
    return (
        isinstance(node.func, ast.Name)
        and node.func.id in METRIC_KINDS
        and any(keyword.arg == "registry" for keyword in node.keywords)
    )


def _metric(node: ast.Call, path: Path) -> tuple[str, ...]:
    assert isinstance(node.func, ast.Name)
    name, meaning, *labels = (ast.literal_eval(each) for each in node.args)
    listed = ", ".join(f"`{each}`" for each in (labels[0] if labels else ()))
    return f"`{name}`", node.func.id.lower(), listed, meaning, f"`{path.relative_to(ROOT).as_posix()}`"


def _version(schema: Path) -> int:
    """The version in the name of a schema: `Record.avsc` is the first, `Record.2.avsc` the second."""
    number = schema.name.split(".")[1]
    return int(number) if number.isdecimal() else 1


def _avro_type(kind: Any) -> str:
    if isinstance(kind, list):
        return " or ".join(_avro_type(each) for each in kind)
    return kind if isinstance(kind, str) else str(kind.get("logicalType", kind["type"]))


def _sentence(template: str) -> str:
    """The sentence of a check, with the names of what is filled in."""
    return re.sub(r"\{(\w+)[^}]*\}", r"[\1]", template)


# And what `--help` says, which must not wait for the settings to be loaded.
TEXTS: dict[Path, Callable[[], str]] = {
    **{FOLDER / name: page for name, page in PAGES.items()},
    SETTINGS_HELP: settings_help,
}


def main() -> None:
    for path, text in TEXTS.items():
        path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
