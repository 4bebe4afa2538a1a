"""13 months of one large account, as a file of each form that there is: how long it takes, and how much memory.

Begin with `__main__`. Nothing here is production code.
"""
