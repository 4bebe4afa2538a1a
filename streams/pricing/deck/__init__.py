"""Rate decks: the CSV files that people write prices in, and everything that may be wrong in them.

Pure but for opening the file. Publishing a deck is not done here. Begin with `parsing`.
"""
