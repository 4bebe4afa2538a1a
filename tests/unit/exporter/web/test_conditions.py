"""If-Match, If-None-Match and If-Range, by the words of RFC 9110."""

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Request

from exporter.web.conditions import asked_part, unmet_precondition

ETAG = '"abc"'


def asking(headers: dict[str, str]) -> Request:
    return make_mocked_request("GET", "/", headers=headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"If-Match": '"abc"'}, None),
        ({"If-Match": '"x", "abc"'}, None),
        ({"If-Match": "*"}, None),
        ({"If-Match": '"x"'}, 412),
        ({"If-Match": 'W/"abc"'}, 412),  # the strong comparison
        ({"If-Match": ""}, 412),
        ({"If-None-Match": '"abc"'}, 304),
        ({"If-None-Match": 'W/"abc"'}, 304),  # the weak one
        ({"If-None-Match": '"x", W/"abc"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, None),
        ({"If-None-Match": "abc"}, None),
        ({"If-Match": '"x"', "If-None-Match": '"abc"'}, 412),
        ({"If-Modified-Since": "Mon, 23 Nov 2026 10:00:00 GMT"}, None),
        ({"If-Unmodified-Since": "Mon, 23 Nov 1970 10:00:00 GMT"}, None),
    ],
)
def test_preconditions(headers: dict[str, str], status: int | None) -> None:
    assert unmet_precondition(asking(headers), ETAG) == status


@pytest.mark.parametrize(
    ("headers", "applies"),
    [
        ({}, True),
        ({"If-Range": '"abc"'}, True),
        ({"If-Range": 'W/"abc"'}, False),
        ({"If-Range": '"x"'}, False),
        ({"If-Range": "Mon, 23 Nov 2026 10:00:00 GMT"}, False),
        ({"If-Range": ""}, False),
    ],
)
def test_a_part_is_of_the_same_file_or_not_sent(headers: dict[str, str], applies: bool) -> None:
    assert (asked_part(asking({**headers, "Range": "bytes=0-1"}), ETAG, 10) is not None) == applies
