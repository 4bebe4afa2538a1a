"""What every question to ClickHouse says, so that a cluster gives the whole answer or none. On one server it changes nothing.

What each setting does is in ClickHouse's documentation, on the page Settings.
"""

from typing import Final

WHOLE_ANSWER: Final = {
    # A replica that lacks a block which the sink was told to be in answers with an error, and the question is asked again. It
    # needs the sink's `insert_quorum` and `insert_quorum_parallel`: see `sinks.write.insert`.
    "select_sequential_consistency": 1,
    # A shard that is away is an error, not an empty shard.
    "skip_unavailable_shards": 0,
    # All rows of an account are on the shard that the sharding key names, so the others need not be asked. The sink writes
    # through the table over all shards, so it holds.
    "optimize_skip_unused_shards": 1,
}
