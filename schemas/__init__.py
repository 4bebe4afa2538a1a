"""The contract with other teams: records, topics, dead letters, and the codec between bytes and batches.

It imports nothing else of this project: nothing here rates, stores or exports. Begin with `topics`, then `codec`.
"""
