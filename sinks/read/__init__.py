"""Questions to ClickHouse: an account's balance, its movements and what they add up to, the usage of all.

Nothing here writes or reads Kafka. Begin with `slice`, then `movements`.
"""
