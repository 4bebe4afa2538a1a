"""What is asked for: a record of `export-requests` becomes an `ExportRequest`, or a `BadRequest` that says what is wrong.

Nothing here reads storage, Kafka or a clock; only `parsing` may have to ask the schema registry. Begin with `requests`.
"""
