"""Which events were charged already: fingerprints, sorted runs of them, a store for each partition.

Nothing here rates or writes to Kafka; `catch_up` alone reads it. The stores are a projection of the log `credit-movements`.
Begin with `store`, then `stores` (all that a rater has) and `catch_up`.
"""
