"""What blocks of the log add up to, beside the ledger: how far these sums go, and how both are put together in one question.

The sums are a projection of the ledger, and never the last word: where they cannot be sure, all is added up from the ledger.
Begin with `reach`, then `parts`.
"""
