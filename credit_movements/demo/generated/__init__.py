"""What the demo's company is made of, all from a seed: its accounts, its prices, its traffic, and the faults among it.

Pure: nothing here publishes, and nothing here says what an event must cost; that is the oracle's. Begin with `usage`.
"""
