"""GET `/exports/<account id>`: the state of the account's last export, for the dashboard, behind a bearer token.

The answer holds the download link: neither it nor the token is ever logged.
"""

from collections.abc import Callable
from typing import Any

from exporter.web.account_page import AccountPage


class StatusPage(AccountPage):
    """`status` gives the answer for an account; it blocks, and may raise outages."""

    def __init__(self, status: Callable[[str], dict[str, Any]], token: bytes) -> None:
        super().__init__("exports", lambda account_id, _: status(account_id), token, takes_parameters=False)
