"""The exporter's questions to Kafka: where logs end, how far sink and raters have come, which requests are unacknowledged.

Everything here blocks, and raises `KafkaUnavailableError` in an outage. Nothing here decides about a request. Begin with
`movements_log`.
"""
