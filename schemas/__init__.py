"""The contract with other teams: records, topics, dead letters, and the codec between bytes and batches.

It imports nothing else of this project, and it knows no Kafka consumer or producer. Begin with `topics`, then `codec`.
"""
