"""Publishing the records of a file: usage events, top-ups, export requests, and prices, which are all published or none.

What a good record is, `schemas` and `streams.pricing` decide. Begin with `records`, for prices with `prices`.
"""
