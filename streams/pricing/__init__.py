"""What an event costs: rates, account plans, numbers and prefixes, and the price of a whole batch.

Pure: no clock, no client, no Kafka. Whether an event is a duplicate is not decided here. Begin with `rates`, then `rating`.
"""
