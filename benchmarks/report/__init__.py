"""Tables and a picture of what `.cache/bench` holds.

It measures nothing. Begin with `__main__`; `plot` is run by the peers' Python, which has matplotlib.
"""
