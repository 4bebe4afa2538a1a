"""How long a usage event takes to become a movement in the log, and a row in ClickHouse.

Begin with `__main__`: it says how that is measured.
"""
