"""Errors as ClickHouse's HTTP interface reports them."""

import re
from http import HTTPStatus

_CODE = re.compile(r"Code: (\d+)\. (?=DB::)")
_STD_EXCEPTION = 1001

# As in ClickHouse's own HTTPHandler; a code that is not here answers 500.
_BAD_REQUEST = {6, 27, 36, 38, 41, 53, 62, 69, 72, 130, 131, 158, 349, 386, 457}
_NOT_FOUND = {46, 47, 50, 56, 57, 60, 73, 81, 115}
_STATUS_OF_CODE = {
    **dict.fromkeys(_BAD_REQUEST, HTTPStatus.BAD_REQUEST),
    **dict.fromkeys(_NOT_FOUND, HTTPStatus.NOT_FOUND),
    48: HTTPStatus.NOT_IMPLEMENTED,
    159: HTTPStatus.REQUEST_TIMEOUT,
    516: HTTPStatus.FORBIDDEN,
}


class ClickHouseError(Exception):
    """What ClickHouse answers instead of a result: its number and its text (`Code: 60. DB::Exception: ...`)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def status(self) -> HTTPStatus:
        return _STATUS_OF_CODE.get(self.code, HTTPStatus.INTERNAL_SERVER_ERROR)


def refusal(code: int, name: str, message: str) -> ClickHouseError:
    """An error of the HTTP face itself, in ClickHouse's form."""
    return ClickHouseError(code, f"Code: {code}. DB::Exception: {message} ({name})")


def from_engine(message: str) -> ClickHouseError:
    """The engine's own error. chDB sets words of its own before ClickHouse's text; they are left out."""
    match = _CODE.search(message)
    if match is None:
        return refusal(_STD_EXCEPTION, "STD_EXCEPTION", message)
    return ClickHouseError(int(match[1]), message[match.start() :])


def authentication_failed(user: str) -> ClickHouseError:
    message = f"{user}: Authentication failed: password is incorrect, or there is no user with such name."
    return refusal(516, "AUTHENTICATION_FAILED", message)


def not_implemented(what: str) -> ClickHouseError:
    return refusal(48, "NOT_IMPLEMENTED", f"The embedded ClickHouse does not do this: {what}.")
