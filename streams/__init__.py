"""Rating: usage events and top-ups become signed credit movements or named refusals, a batch at a time.

The root makes settings and clients. `pricing`, `events` and `outcome` are pure: no clock, no client.
Begin with `rater` (a batch in numbered steps), then `outcome`, then `assignment` (what happens around batches).
"""
