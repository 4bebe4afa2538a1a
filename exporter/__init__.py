"""The export: a request comes, a CSV file goes to object storage, and a notification with its link goes out.

The process keeps nothing: records and files lie in object storage, movements in ClickHouse, requests in Kafka. The root makes
clients, clock and settings. Begin with `handler`, which numbers what happens to one request, then `service`.
"""
