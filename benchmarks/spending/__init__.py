"""Balance, opening balance and spending of an account with a long history, from sums of blocks and without them.

Begin with `__main__`.
"""
