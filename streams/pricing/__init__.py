"""What an event costs: rates and account plans, the numbers they are for, and the rating of a whole batch.

Pure: no clock, no client, no float. What becomes of an event is decided in `outcome`. Begin with `rating`, then `rates`.
"""
