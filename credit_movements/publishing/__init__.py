"""Publishing records of files: usage events, top-ups, requests, and prices, which are all published or none.

What is right is decided by `schemas` and `streams.pricing`. Begin with `records`, for prices with `prices`.
"""
