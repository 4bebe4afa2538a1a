"""What the README says is true."""

import re
from pathlib import Path

from credit_movements.settings import described_settings
from schemas.dead_letters import Reason

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_settings_table_is_the_code_s() -> None:
    found = re.findall(r"^\| `(CREDIT_\w+)` \| (?:`([^`]*)`)? ?\| (.*) \|$", README, re.MULTILINE)
    assert found == [tuple(each) for each in described_settings()]


def test_every_reason_of_a_dead_letter_is_explained() -> None:
    assert [name for name in re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE) if name.islower()] == list(Reason)


def test_the_two_commands_come_first() -> None:
    commands = [line.strip() for line in README.splitlines() if line.startswith("    ")]
    assert [command.split("#")[0].strip() for command in commands[:2]] == ["make demo", "make test"]


def test_every_file_that_it_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).parents[2] / target).exists(), target


def test_every_test_that_is_said_to_have_failed_under_sabotage_is_there() -> None:
    (table,) = re.findall(r"<!-- guarantees.*?-->(.*?)<!-- end of guarantees -->", README, re.DOTALL)
    rows = table.strip().splitlines()[2:]
    for row in rows:
        named = re.findall(r"\[`(\w+)`\]\((tests/[\w/]+\.py)\)", row)
        assert named, row
        for name, path in named:
            source = (Path(__file__).parents[2] / path).read_text()
            assert re.search(rf"^(?:def {name}\(|{name} = )", source, re.MULTILINE), f"{path} has no {name}"
    assert len(rows) > 30
