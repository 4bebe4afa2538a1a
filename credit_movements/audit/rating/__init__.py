"""Every movement computed a second time. Nothing here shares code with the rating in `streams`, on purpose.

Pure: tables in, what is wrong out. Begin with `recomputed`.
"""
