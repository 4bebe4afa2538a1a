"""The demo: a made-up company with a month of traffic, and an oracle that says what must become of each event.

The tests use the oracle too. The workers may not import this folder. Begin with `run`, or with `oracle` for rating.
"""
