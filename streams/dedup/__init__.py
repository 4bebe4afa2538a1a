"""Which events have a movement already: fingerprints, sorted runs of them, and a store for each partition.

The stores are a projection of the log `credit-movements`; `catch_up` alone reads Kafka, and nothing here rates.
Begin with `store`, then `stores` (all that a rater has), `catch_up`, `read_back` (its thread) and `needed` (from where). `runs`
and `bloom` are how ids are found, `snapshots` what a new machine begins with.
"""
