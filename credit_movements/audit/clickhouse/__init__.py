"""What the audit asks ClickHouse: how many rows there are, and the hash of each. ClickHouse hashes, so no text is sent.

It knows nothing of Kafka. Begin with `rows`.
"""
