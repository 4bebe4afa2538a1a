"""Links over several starts of the exporter."""

from exporter.storage.keys import ExportKeys
from tests.integration.exporter.crashes.holding import accepted
from tests.integration.exporter.exporter_stack import SECRET, Stack, wait_for


def test_a_link_expires_and_its_file_is_deleted(stack: Stack, account: str) -> None:
    with stack.exporter(link_ttl_seconds=2, expiry_sweep_seconds=1):
        request = stack.ask(account)
        notification = stack.wait_for_notification(request)
        file = stack.folder / "storage" / ExportKeys.of(account, request["request_id"]).file
        wait_for(lambda: stack.download(notification)[0] == 410, 10)
        # What was given may be seen no more; what lies under its name may be there no more either, the manifest included.
        wait_for(lambda: not file.exists() and list(file.parent.iterdir()) == [], 10)
        assert accepted(stack, request).exists()


def test_a_link_works_on_when_the_key_is_changed(stack: Stack, account: str) -> None:
    new = "another secret of thirty-two bytes or more"
    with stack.exporter():
        notification = stack.wait_for_notification(stack.ask(account))
    with stack.exporter(link_secret=new, link_secret_previous=SECRET):
        assert stack.download(notification)[0] == 200
        later = stack.wait_for_notification(stack.ask(account))
    with stack.exporter(link_secret=new):
        assert stack.download(notification)[0] == 403
        assert stack.download(later)[0] == 200
