"""How a command ends when a server that it needs does not answer."""

from kafka_io.errors import Outage


class UnreachableError(Outage):
    """A server does not answer: one line that names the setting, the address and what would do."""
