"""How soon a movement is explained in a ledger of 10 million, which ClickHouse made itself: the command `explain`.

Begin with `__main__`.
"""
