"""What docs/how-to/alerts.md says: an account has a threshold of its own, and gets a mail."""

import subprocess
import sys
from pathlib import Path

import pytest

from credit_movements.settings import Settings
from schemas.topics import ALERT_SETTINGS, CREDIT_MOVEMENTS
from tests.integration.records import YESTERDAY, header
from tests.integration.stack import Stack
from tests.integration.watch.watches import UNIT, falls, told, wait_until_watched, watch
from tests.kafka.brokers import TANSU

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kafka", [TANSU], indirect=True)
def test_an_account_has_a_threshold_of_its_own_and_gets_one_mail(
    stack: Stack,
    settings: Settings,
    tmp_path: Path,
) -> None:
    own = {"account_id": "acct-1", "low_balance_nanos": 3 * UNIT, "empty_soon_hours": None, "unusual_nanos": None}
    stack.publish_priced(ALERT_SETTINGS, own | {"effective_from": YESTERDAY - 1})
    # Of the same time and later, but wrong: else a balance of 5 would be low.
    wrong = {"low_balance_nanos": 9 * UNIT, "empty_soon_hours": 500, "effective_from": YESTERDAY - 1}
    stack.publish_priced(ALERT_SETTINGS, own | wrong)
    stack.publish(CREDIT_MOVEMENTS, *falls(1, 2))
    with watch(settings, "watch", tmp_path):
        wait_until_watched(stack)
        # It follows them too. The first one's balance is 5.
        stack.publish_priced(ALERT_SETTINGS, own | {"low_balance_nanos": 5 * UNIT, "effective_from": YESTERDAY + 1})
    assert told(stack) == {("acct-2", "low_balance"): 1}
    (letter,) = stack.read("alert-settings.dlq")
    assert header(letter, "dlq.detail") == "empty_soon_hours 500 does not lie in 0 to 168"
    mails = tmp_path / "mails"
    assert settings.schema_registry_url is not None
    command = [
        *(sys.executable, "examples/alert_mails.py", "--folder", str(mails), "--once"),
        *("--bootstrap-servers", str(settings.kafka_bootstrap_servers)),
        *("--schema-registry", settings.schema_registry_url.get_secret_value()),
    ]
    shown = [subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout for _ in range(2)]
    (eml,) = mails.glob("*.eml")
    assert "Account acct-2: Your balance has fallen below 10 EUR: it is 5 EUR." in eml.read_text()
    assert shown == [f"{eml}\n", ""]
