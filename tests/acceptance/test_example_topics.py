"""The examples that read a topic say when it is not there: one that ended in silence would look like an empty ledger."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from examples import alert_mails, export_mails, follow_movements

EXAMPLES = [follow_movements, export_mails, alert_mails]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__.rpartition(".")[2])
def test_a_topic_that_is_not_there_is_one_line(
    example: ModuleType, broker: str, registry: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(example, "TOPIC", "forgotten.prefix")
    config = tmp_path / "kafka.json"
    config.write_text(json.dumps({"bootstrap.servers": broker}))
    with pytest.raises(SystemExit) as ended:
        example.main(["--once", "--config", str(config), "--schema-registry", registry])
    assert "topic forgotten.prefix" in str(ended.value.code)
    assert "Unknown topic or partition" in str(ended.value.code)
