"""The two kinds of failure that are met as a kind: an outage is waited out, a user's mistake ends as one line."""


class Outage(Exception):
    """Something outside does not work now and may work later: waiting and trying again is right. Says what, in one line."""


class UserError(Exception):
    """A person asked for what cannot be: one line that says what is wrong, where, and what to do. Trying again is no help."""
