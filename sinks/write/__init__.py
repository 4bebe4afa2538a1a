"""Writes the log `credit-movements` into ClickHouse: the loop, the columns, the insert, the migrations of the tables.

Nothing here asks ClickHouse about movements: that is `sinks.read`. Begin with `loop`, which numbers the steps.
"""
