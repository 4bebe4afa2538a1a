"""The sabotages of audits: what may not be trusted is, and what must be told is not."""

import pytest

from credit_movements.audit.checkpoint.folder import Checkpoint, Owner
from credit_movements.audit.differences import Findings


def trust_any_checkpoint(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Owner, "as_json", lambda _: {})
    doubt_nothing(patch)


def doubt_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Checkpoint, "discard", lambda *_: None)


def move_past_differences(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Findings, "total", property(lambda _: 0))
