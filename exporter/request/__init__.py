"""The request: a record of `export-requests` becomes an `ExportRequest`, or a `BadRequest` that says what is wrong.

Nothing here reads storage, Kafka or a clock. Only `parsing` may ask the schema registry. Begin with `requests`.
"""
