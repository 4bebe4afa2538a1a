"""What the exporter asks Kafka: where logs end, how far sink and raters have come, which requests are not acknowledged.

Everything here blocks, and raises `KafkaUnavailableError` in an outage. Nothing here decides anything. Begin with
`movements_log`.
"""
