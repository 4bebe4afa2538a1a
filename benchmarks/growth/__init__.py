"""What grows with what: each cost at two sizes, ten times apart. A cost that ought to stand still and grows is seen here.

Each module measures one thing at both sizes (`measured`), alone or by `__main__`; nothing here rates. Begin with `ledger`.
"""

from typing import NamedTuple


class Growth(NamedTuple):
    """One cost at two sizes. `unit` is that of `small` and `large`; `aim`: the most that large / small may be, or None."""

    what: str
    sizes: str
    small: float
    large: float
    unit: str
    aim: float | None = None
