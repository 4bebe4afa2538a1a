"""What the figures of docs/PERFORMANCE.md come from: `make bench`.

The product is used as its operator has it: `product` runs commands and workers as processes, and tests/unit/test_house.py lists
the few modules that may be imported. Begin with `__main__`, then `exports`.
"""
