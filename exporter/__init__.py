"""The export: a request comes, a CSV goes to object storage, a notification with its link goes out.

Nothing is kept in the process: what was accepted and how it ended lies in object storage (see `ledger`), the movements
lie in ClickHouse, and the requests in the log.
"""
