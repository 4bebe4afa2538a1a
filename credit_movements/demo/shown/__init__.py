"""Parts of what the demo prints that have more to them than lines: a chart. They know no server and no oracle.

`report` puts them together, and holds the figures.
"""
