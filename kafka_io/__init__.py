"""The common ground: what is Kafka's and neither rating's, sinking's nor exporting's, each thing once.

It imports nothing of ours and is no framework: functions and small classes that two rooms use at least. Begin with `polls`.
"""
