"""Rating: from batches of usage events and top-ups to signed credit movements and named refusals.

Settings, environment and the making of clients are the root's. `pricing`, `events` and `outcome` are pure: no clock, no client.
Begin with `rater` (a batch in numbered steps), then `assignment` (what happens around it) and `outcome`.
"""
