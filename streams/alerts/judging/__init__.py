"""What an account is warned of, decided by its movements in the order of the log. Pure: no clock, no client, no disk.

However the log is cut into batches, the same movements raise the same alerts; tests hold it against a judge that takes one
movement at a time. Begin with `judge` (a batch), then `balances` and `spending`.
"""
