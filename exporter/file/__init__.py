"""The file of an accepted request: the CSV and its manifest, byte for byte the same at every attempt.

Nothing here knows about repeats or notifications. Begin with `making`, which has the steps in their order.
"""
