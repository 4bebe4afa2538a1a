"""What earlier rounds of the audit have proved, kept so that a round need only prove what is new.

`proved` is what is known of one partition, `cut` (pure) decides how far a round has proved, `advance` adds the round to it, and
`folder` keeps it on disk. Nothing here reads Kafka or ClickHouse. Begin with `proved`.
"""
