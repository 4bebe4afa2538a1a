"""Where an exporter keeps its files, and what it says of a place that cannot be had."""

from pathlib import Path

import pytest

from credit_movements.settings import Settings, SettingsError
from credit_movements.workers.exporter import export_storage


def test_a_storage_that_cannot_be_had_names_the_setting(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    url = f"file://{in_the_way}/exports"
    with pytest.raises(SettingsError, match=rf"^CREDIT_EXPORT_STORAGE_URL: {url}: "):
        export_storage(Settings(export_storage_url=url))


def test_a_public_endpoint_that_is_none_names_its_setting_too() -> None:
    with pytest.raises(
        SettingsError, match=r"^CREDIT_EXPORT_STORAGE_URL, CREDIT_EXPORT_STORAGE_PUBLIC_ENDPOINT: here: not a"
    ):
        export_storage(Settings(export_storage_url="s3://exports", export_storage_public_endpoint="here"))
