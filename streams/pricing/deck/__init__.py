"""A rate deck: a CSV file of prices becomes rates, or faults that name line and column.

Pure: it knows no Kafka, and what is published already is no matter of a deck. Begin with `parsing`.
"""
