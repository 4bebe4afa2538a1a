"""Questions to ClickHouse: an account's balance, its movements, and what they add up to.

Nothing here writes or reads Kafka. Begin with `slice`, then `movements`.
"""
