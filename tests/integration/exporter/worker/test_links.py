"""The link of an export and the exporter's other pages, over HTTP."""

from pathlib import Path

from exporter.storage.keys import ExportKeys
from tests.integration.exporter.exporter_stack import HEADER, Stack, target_of


def test_a_part_of_a_file_can_be_asked_for(stack: Stack, account: str) -> None:
    notification = stack.wait_for_notification(stack.ask(account))
    size = notification["size_bytes"]
    status, headers, body = stack.download(notification, headers={"Range": "bytes=5-9"})
    assert (status, body, headers["Content-Range"]) == (206, HEADER.encode()[5:10], f"bytes 5-9/{size}")
    status, headers, body = stack.download(notification, headers={"Range": f"bytes={size}-"})
    assert (status, headers["Content-Range"]) == (416, f"bytes */{size}")
    status, headers, body = stack.download(notification, method="HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(size))
    status, headers, body = stack.download(notification, headers={"Range": "bytes=5-9"}, method="HEAD")
    # Parts are of GET alone: RFC 9110, section 14.2.
    assert (status, body, headers["Content-Length"]) == (200, b"", str(size))
    assert stack.download(notification, method="POST")[0] == 405


def test_any_change_to_a_link_is_refused(stack: Stack, account: str) -> None:
    target = target_of(stack.wait_for_notification(stack.ask(account)))
    last_of_token = target.rindex("/") - 1
    altered = [
        target[:at] + other + target[at + 1 :]
        for at in (12, 40, last_of_token - 50, last_of_token, len(target) - 1)
        for other in "AQgwBx-_"
        if target[at] != other
    ]
    altered += [
        target + "?",
        target + "?x=1",
        target + "/",
        target.replace("movements_", "movements%5F"),
        target.replace("/downloads/", "/downloads//"),
        target.replace("/downloads/", "/downloads/./"),
        target.replace(".csv", ".CSV"),
        target[: last_of_token + 1],
        "/downloads/",
        "/downloads/x/y",
        "/downloads/%ff%00/x",
        target.replace("/downloads/", "/downloads/="),
    ]
    assert {each: stack.get(each)[0] for each in altered} == dict.fromkeys(altered, 403)
    assert stack.get(target)[0] == 200


def test_a_link_whose_file_is_gone_is_not_found(stack: Stack, account: str) -> None:
    request = stack.ask(account)
    notification = stack.wait_for_notification(request)
    (stack.folder / "storage" / ExportKeys.of(account, request["request_id"]).file).unlink()
    assert stack.download(notification)[0] == 404


def test_the_pages_tell_of_life_readiness_and_counts(stack: Stack, account: str) -> None:
    stack.wait_for_notification(stack.ask(account))
    assert stack.get("/healthz")[0] == 200
    assert stack.get("/readyz")[0] == 200
    assert stack.metric('credit_exports_total{outcome="completed"}') >= 1
    assert stack.metric("credit_exports_in_progress") == 0
    assert stack.get("/")[0] == 404


def test_no_link_is_ever_logged(stack: Stack, account: str) -> None:
    notification = stack.wait_for_notification(stack.ask(account))
    target = target_of(notification)
    stack.download(notification)
    stack.get(target + "?altered")
    stack.download(notification, headers={"Range": "bytes=999999-"})
    token = target.split("/")[2]
    log = Path(stack.folder / "exporter.log").read_text()
    for answer in ("GET 200", "GET 416"):
        assert f"download of export {notification['export_id']} of account {account!r}: {answer}" in log
    for secret in (token, *token.split(".")):
        assert secret not in log
