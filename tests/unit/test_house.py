"""The house's own rules, which no linter knows: who imports whom, which errors are caught, how long a module may be."""

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Who may import whom: schemas, kafka_io ← streams, sinks, exporter ← the root. Tests may import all of them.
ARROWS = {
    "schemas": {"schemas"},
    "kafka_io": {"kafka_io"},
    "streams": {"streams", "kafka_io", "schemas"},
    "sinks": {"sinks", "kafka_io", "schemas"},
    "exporter": {"exporter", "kafka_io", "schemas", "sinks.read"},
    "credit_movements": {"credit_movements", "kafka_io", "schemas", "streams", "sinks", "exporter"},
    # They run workers and commands as processes. All else that they know of the product stands here.
    "benchmarks": {
        # Apache Kafka, as the tests start it.
        "tests.jars",
        "tests.kafka.apache_kafka",
        "tests.kafka.follower",
        "tests.kafka.secured",
        "benchmarks",
        "schemas",
        "kafka_io",
        "credit_movements.clickhouse",
        "credit_movements.clients",
        "credit_movements.demo.company",
        "credit_movements.demo.generated.accounts",
        "credit_movements.demo.generated.deck",
        "credit_movements.demo.generated.top_ups",
        "credit_movements.demo.generated.usage",
        "credit_movements.demo.traffic",
        "credit_movements.embedded.ports",
        "credit_movements.explain.explainer",
        "credit_movements.explain.explanation",
        "credit_movements.settings",
        "credit_movements.stack.servers",
        "credit_movements.supervision.launch",
        "credit_movements.rating",
        "credit_movements.workers.polars_setup",
        "sinks.read.balance",
        "sinks.read.movements",
        "sinks.read.slice",
        "sinks.read.spending",
        "sinks.read.summed.grains",
        "sinks.read.totals",
        "sinks.write.columns",
        "sinks.write.insert",
        "sinks.write.sums.fill",
        "streams.dedup.files",
        "streams.dedup.runs",
        "streams.dedup.snapshots",
        "streams.dedup.store",
        # Alerts, judged without Kafka.
        "streams.alerts.judging",
        "streams.events.sorted_keys",
        "streams.outcome",
        # Prices, measured without Kafka.
        "streams.events.table",
        "streams.price_feed",
        "streams.pricing.deck.parsing",
        "streams.pricing.history",
        "streams.pricing.rate_checks",
        "streams.pricing.rating",
    },
    # What another team would write: to be copied, so it knows none of us.
    "examples": set(),
}
# It puts other parts into the rater: that is what it measures.
TAKES_THE_RATER_APART = "benchmarks/rating/without_deduplication.py"
HOUSE = {*ARROWS, "tests"}
# Where money is worked with.
EXACT = ["schemas", "streams", "sinks", "exporter"]
MOST_LINES = 300
MOST_MODULES = 12
# Each hands what it caught to another thread, which raises it again.
CATCH_EVERYTHING = {
    "credit_movements/supervision/supervisor.py",
    "exporter/file/read_ahead.py",
    "exporter/threads.py",
    "kafka_io/transactions.py",
}
# In two parts, so that this file does not name them either.
REGISTRIES = [("pypi", "org"), ("pythonhosted", "org"), ("crates", "io"), ("npmjs", "org"), ("npmjs", "com")]
REGISTRIES += [("proxy.golang", "org"), ("maven", "org"), ("maven.apache", "org"), ("deb.debian", "org")]
PATHS = [rf"(?<![\w.])/{'work'}\b", rf"(?<!\w)\.{'library'}\b"]


def modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(), str(path)))


def imported(path: Path) -> Iterator[str]:
    """Full names of what a module imports, wherever in it; our packages are imported by their full names only."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)}: a relative import"
            yield from (f"{node.module}.{each.name}" for each in node.names)


def dotted(path: Path) -> str:
    return relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def parting(first: str, second: str) -> tuple[str, str, str]:
    """Of two dotted names the package that holds both, and the child of it in which each lies; nothing where one holds the
    other."""
    ours, theirs = first.split("."), second.split(".")
    depth = next((at for at, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), None)
    return ("", "", "") if not depth else (".".join(ours[:depth]), ours[depth], theirs[depth])


def tracked_files() -> list[Path]:
    """What git has, and what it would take."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("package", ARROWS)
def test_a_package_imports_only_what_the_arrows_allow(package: str) -> None:
    allowed = tuple(f"{each}." for each in ARROWS[package])
    strangers = [
        f"{relative(path)} imports {name}"
        for path in modules(package)
        if relative(path) != TAKES_THE_RATER_APART
        for name in imported(path)
        if name.split(".")[0] in HOUSE and not f"{name}.".startswith(allowed)
    ]
    assert strangers == []


def test_the_modules_and_folders_of_a_room_import_each_other_one_way_only() -> None:
    arrows: dict[str, dict[str, set[str]]] = {}
    for path in modules(*ARROWS):
        inside = dotted(path)
        for name in imported(path):
            room, ours, theirs = parting(inside, name)
            if room and (ROOT / room.replace(".", "/")).is_dir():
                arrows.setdefault(room, {}).setdefault(ours, set()).add(theirs)
    for room, graph in arrows.items():
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            pytest.fail(f"{room}: {' imports '.join(reversed(error.args[1]))}")


def test_an_outage_is_caught_by_its_name_and_a_bug_not_at_all() -> None:
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in modules(*ARROWS)
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or {"Exception", "BaseException"} & {getattr(n, "id", "") for n in ast.walk(node.type)})
        and relative(path) not in CATCH_EVERYTHING
    ]
    assert found == []


def test_no_float_stands_between_an_event_and_the_csv() -> None:
    """Floats are for seconds; nothing is made one, neither a number nor a column."""
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in modules(*EXACT)
        for node in nodes(path)
        if (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "float")
        or (isinstance(node, ast.Attribute) and re.fullmatch(r"(?i)float(16|32|64|ing)?", node.attr))
    ]
    assert found == []


def test_no_module_outgrows_a_reader() -> None:
    lines = {relative(path): len(path.read_text().splitlines()) for path in modules(*HOUSE)}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_no_folder_shows_more_modules_than_a_reader_takes_in() -> None:
    counts = Counter(relative(path.parent) for path in modules(*ARROWS) if path.name != "__init__.py")
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}


def test_each_folder_says_what_lives_there_what_may_not_and_where_to_begin() -> None:
    folders = {path.parent for path in modules(*ARROWS)} - {ROOT / "examples"}
    silent = [
        relative(folder)
        for folder in sorted(folders)
        if len((ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or "").splitlines()) < 2
    ]
    assert silent == []


def test_the_unit_tests_of_a_folder_stand_under_its_path() -> None:
    unit = ROOT / "tests" / "unit"
    folders = {path.parent.relative_to(unit) for path in modules(*(f"tests/unit/{room}" for room in ARROWS))}
    assert [str(folder) for folder in sorted(folders) if not (ROOT / folder).is_dir()] == []


def test_no_file_names_a_package_registry_or_a_path_of_one_machine() -> None:
    pattern = re.compile("|".join([re.escape(".".join(each)) for each in REGISTRIES] + PATHS))
    found = [
        f"{relative(path)}: {match[0]}"
        for path in tracked_files()
        for match in pattern.finditer(path.read_bytes().decode(errors="replace"))
    ]
    assert found == []
