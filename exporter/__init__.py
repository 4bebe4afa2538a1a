"""The export: a request comes, a CSV file goes to object storage, and a notification with its link goes out.

The process keeps nothing: object storage has the exporter's records and files, ClickHouse the movements, Kafka the requests.
Clients, clock and environment are given (see `settings`). Begin with `handler`: what happens to one request, step by step.
"""
