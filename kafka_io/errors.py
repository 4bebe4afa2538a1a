"""The two kinds of failure that callers handle by their type: an outage is waited out, a user's mistake ends as one line."""

import re
from typing import Final

_USER_INFO: Final = re.compile(r"(?<=://)[^/\s@]*(?:@[^/\s@]*)*@")


class Outage(Exception):
    """A server or a disk does not work now and may work later: wait and try again. The message is one line."""


class UserError(Exception):
    """A person asked for something that cannot be done, and trying again is no help.

    The message is one line: what is wrong, where, and what to do.
    """


def without_passwords(text: str) -> str:
    """The text with what stands before the host in URLs left out: clients put whole URLs into their errors."""
    return _USER_INFO.sub("", text)
