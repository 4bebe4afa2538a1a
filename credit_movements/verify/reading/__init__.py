"""A file read back, row by row, in flat memory: CSV, XLSX or Parquet. Each row is the texts of its cells.

Nothing here knows what a row must say. Begin with `csv_rows`.
"""
