"""What it costs to rate the ledger anew: the command `rates diff --against`, on a ledger that ClickHouse made itself.

Begin with `__main__`.
"""
