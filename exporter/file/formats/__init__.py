"""How movements are written: CSV, XLSX, Parquet, FOCUS. Blocks of rows become the bytes of a file, the same at every attempt.

Nothing here knows storage, ClickHouse or a clock. Begin with `files`, then `columns` and `csv_file`.
"""
