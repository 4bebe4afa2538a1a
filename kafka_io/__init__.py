"""The common ground: all that is Kafka's and not rating's, storing's or exporting's, each thing once.

It imports nothing of ours. It is no framework: functions and small classes.
Begin with `positions` and `batches`, then `reading` and `producing`.
"""
