"""The common ground: what is Kafka's and neither rating's, sinking's nor exporting's, each thing once.

It imports nothing of ours and is no framework: functions and small classes, each used by two rooms at least.
Begin with `positions` and `polls`, then `reading` and `producing`.
"""
