"""The contract with other teams: records, topics, dead letters, and the codec between bytes and batches.

Imports nothing else of this project.
"""
