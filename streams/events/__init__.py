"""Usage events, top-ups and adjustments as one table of columns, and the time of each record.

Pure: no clock, no client. `pricing` says what an event costs, `outcome` says how it ends.
Begin with `table`.
"""
