"""Adds up the blocks of the log and writes the sums: from memory while the sink reads, else from the ledger itself.

Sums of a block are the same whoever writes them, so they may be written twice. Begin with `roll_up`.
"""
