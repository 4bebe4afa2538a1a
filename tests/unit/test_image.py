"""The Dockerfile and the pins of packages, held against the code, so that a disagreement shows without building an image."""

import re
import tomllib
from typing import Any

from tests.unit.test_compose import ROOT, SERVICES

DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(file: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^ ;\\]+)", (ROOT / file).read_text(), re.MULTILINE))


def test_the_image_has_our_packages_and_starts_our_command() -> None:
    copied = re.findall(r"^COPY (\w+) (\w+)$", DOCKERFILE, re.MULTILINE)
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert copied == [(package, package) for package in packages]
    (entry_point,) = PROJECT["project"]["scripts"]
    assert f'ENTRYPOINT ["{entry_point}"]' in DOCKERFILE.splitlines()
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match("COPY (?!--from)", line)]
    assert let_in == {source for line in sources for source in line}


def test_the_image_is_of_one_exact_python_and_runs_as_nobody_in_particular() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    version = re.fullmatch(r"python:3\.(\d+)\.\d+-slim-\w+", bases[0])
    assert version is not None
    assert int(version[1]) >= int(PROJECT["project"]["requires-python"].removeprefix(">=3."))
    users = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert users == [("10001", "10001")]


def test_what_a_worker_keeps_lies_in_the_volume() -> None:
    (folder,) = re.findall(r"CREDIT_DATA_DIR=(\S+)", DOCKERFILE)
    assert f"VOLUME {folder}" in DOCKERFILE.splitlines()
    assert SERVICES["rater"]["volumes"] == [f"rater:{folder}"]


def test_the_image_gets_the_packages_that_the_tests_run_on_and_no_others() -> None:
    tested, production, build = map(pins, ["constraints.txt", "constraints-production.txt", "constraints-build.txt"])
    assert production.items() <= tested.items()
    assert build.items() <= tested.items()
    assert set(PROJECT["build-system"]["requires"]) <= set(build)
    name = re.compile(r"[\w.-]+")
    direct = {name.match(each)[0].lower() for each in PROJECT["project"]["dependencies"]}  # type: ignore[index]
    assert direct <= set(production)
    extras = [each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra]
    unwanted = {name.match(each)[0].lower() for each in extras}  # type: ignore[index]
    assert unwanted.isdisjoint(production)
