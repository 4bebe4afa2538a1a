"""The two tables of sums: how fine their times are, and what they tell apart. Names alone: who writes and who reads share them.

A local time begins at a whole quarter of an hour of UTC everywhere on earth, so days and hours of any time zone are made of
quarters. Users and destinations may be many: they have sums by day, and nothing else tells these apart. What an account's
movements come to in all, as its balance does, has sums by hour.
"""

from typing import Final

# Offsets of a block. A partition's blocks are as large as its first one for ever: the table `movement_sums_reached` has that.
BLOCK_OFFSETS: Final = 65_536

BY_QUARTER: Final = "movement_sums_by_quarter"
BY_KEY: Final = "movement_sums_by_key"
REACHED: Final = "movement_sums_reached"
QUARTER_MICROS: Final = 900 * 10**6
_HOUR_MICROS: Final = 3600 * 10**6
_DAY_MICROS: Final = 24 * _HOUR_MICROS

# The kinds of keys. A movement without a user or a prefix is in the sum of the account alone.
ACCOUNT: Final = "account"
USER: Final = "user"
DESTINATION: Final = "destination"
KIND_MICROS: Final = {ACCOUNT: _HOUR_MICROS, USER: _DAY_MICROS, DESTINATION: _DAY_MICROS}

# What spending can be asked for by.
DAY: Final = "day"
HOUR: Final = "hour"
DESCRIPTION: Final = "description"
CARD: Final = "card"
BY: Final = (DAY, HOUR, DESCRIPTION, USER, DESTINATION, CARD)

# Whose unit is '' is no usage: a top-up, or else an adjustment, and its kind is its description.
TOP_UP: Final = "top-up"
