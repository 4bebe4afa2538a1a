"""What is an id."""

import pytest

from credit_movements.explain.explanation import NotExplainedError, checked_id

ID = "3f0c9a52-7d1e-4b8a-9c55-00000000000a"


def test_an_id_is_taken_in_any_case() -> None:
    assert checked_id(ID.upper()) == ID


@pytest.mark.parametrize("text", ["", "acme", ID[:-1], f"{ID}\n", f"{{{ID}}}", ID.replace("-", ""), "' OR 1=1 --"])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(NotExplainedError, match="is no id of an event or movement"):
        checked_id(text)
