"""Usage events and top-ups as one table of columns, and the time of each record.

Pure: no clock, no client. What an event costs is the matter of `pricing`, and how it ends that of `outcome`.
Begin with `table`.
"""
