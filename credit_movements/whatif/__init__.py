"""What another price list means: which prices it changes, what the ledger would have come to, and the adjustments that mend it.

All of it is pure but for `published` (reads Kafka) and `service` (reads ClickHouse, writes files). Begin with `price_lists`.
"""
