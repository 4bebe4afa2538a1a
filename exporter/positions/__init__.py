"""The exporter's questions to Kafka: where logs end, how far sink and raters have come, which requests are unacknowledged.

All but `rounds` blocks, is asked for many partitions at once, and raises `KafkaUnavailableError` in an outage. Nothing here
decides about a request. Begin with `rounds`, then `movements_log`.
"""
