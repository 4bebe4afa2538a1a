"""The rater beside its peers and beside the ceiling, a loop that only copies.

The peers are programs of their own, in `benchmarks.peers`. Begin with `__main__`, then `systems`.
"""
