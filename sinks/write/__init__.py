"""Writes the log `credit-movements` into ClickHouse: the loop, the columns, the insert, the migrations of the tables.

Questions to ClickHouse are not here but in `sinks.read`.
Begin with `loop`.
"""
