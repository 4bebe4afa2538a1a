"""`rates diff` overwrites none of its own files."""

from pathlib import Path

import pytest

from credit_movements.commands.prices.diff import diff


@pytest.mark.parametrize(
    ("decks", "csv", "adjust", "says"),
    [
        (["new.csv"], None, "new.csv", "--adjust new.csv is a price list that is compared"),
        (["new.csv"], "./new.csv", None, "--csv new.csv is a price list that is compared"),
        (["new.csv"], None, "link.csv", "--adjust link.csv is a price list that is compared"),
        (["link.csv"], None, "new.csv", "--adjust new.csv is a price list that is compared"),
        (["old.csv", "new.csv"], "new.csv", None, "--csv new.csv is a price list that is compared"),
        (["old.csv", "published"], "old.csv", None, "--csv old.csv is a price list that is compared"),
        (["published"], "out", "folder/../out", "--adjust folder/../out is the file of --csv too"),
    ],
)
def test_an_output_that_is_another_file_of_the_command_is_refused(
    decks: list[str],
    csv: str | None,
    adjust: str | None,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for name in ("old.csv", "new.csv"):
        Path(name).write_text("as it was")
    Path("link.csv").symlink_to("new.csv")
    outputs = [None if each is None else Path(each) for each in (csv, adjust)]
    with pytest.raises(SystemExit) as ended:
        diff(decks, None if len(decks) > 1 else "P30D", None, False, *outputs, data_dir=tmp_path)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"credit-movements: {says}, and would be overwritten: name another file"
    assert [Path(name).read_text() for name in ("old.csv", "new.csv")] == ["as it was"] * 2
