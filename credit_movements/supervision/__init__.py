"""Processes on one machine: starting them, starting them again, stopping them in order, claiming ports and folders.

It knows nothing of rating, Kafka or ClickHouse. Begin with `supervisor`, then `restarts`.
"""
