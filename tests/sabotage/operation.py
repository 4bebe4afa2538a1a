"""The sabotages of what stands around rating: brands that share servers, secrets, erasure, clusters."""

import shutil
import tempfile
from pathlib import Path

import pytest

from credit_movements import clickhouse, clients, logs
from sinks.write import erase, migrations
from tests.sabotage import checks_of_operation


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
    spoiled = erase._REWRITE.replace("reason = NULL", "reason = NULL, credit_movement = 0")
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


SABOTAGES = [
    ("transactional ids without the prefix", ids_without_prefix, checks_of_operation.all_names_have_the_prefix),
    ("a database is anybody's", any_brand, checks_of_operation.other_brands_are_refused),
    ("lines have whole URLs", passwords_in_lines, checks_of_operation.no_line_shows_a_password),
    ("an erasure sets amounts to 0", erase_amounts_too, checks_of_operation.erasure_changes_no_amount),
    ("shards by movement", shard_by_movement, checks_of_operation.all_of_an_account_is_on_one_shard),
]
