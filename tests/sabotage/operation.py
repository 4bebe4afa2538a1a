"""The sabotages of what stands around rating: brands that share servers, secrets, erasure, clusters."""

import shutil
import tempfile
from pathlib import Path

import pytest

from credit_movements import clickhouse, clients, logs
from sinks.write import erase, migrations


def ids_without_prefix(patch: pytest.MonkeyPatch) -> None:
    honest = clients.transactional_id
    patch.setattr(
        clients,
        "transactional_id",
        lambda settings, *own: honest(settings, *own).removeprefix(clients.names(settings).prefix),
    )


def any_brand(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(clickhouse, "check_brand", lambda *_: False)


def passwords_in_lines(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(logs, "without_passwords", lambda text: text)


def erase_amounts_too(patch: pytest.MonkeyPatch) -> None:
    spoiled = erase._REWRITE.replace("reason = NULL\n", "reason = NULL, credit_movement = 0\n")
    assert spoiled != erase._REWRITE
    patch.setattr(erase, "_REWRITE", spoiled)


def shard_by_movement(patch: pytest.MonkeyPatch) -> None:
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(migrations.MIGRATIONS_OF_CLUSTER, folder, dirs_exist_ok=True)
    first = folder / "0001_credit_movements.sql"
    honest = first.read_text(encoding="utf-8")
    first.write_text(honest.replace("sipHash64(account_id)", "sipHash64(movement_id)"), encoding="utf-8")
    assert first.read_text(encoding="utf-8") != honest
    patch.setattr(migrations, "MIGRATIONS_OF_CLUSTER", folder)
