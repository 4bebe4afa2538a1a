"""Alerts: an account is told that its balance is low, that it is soon empty, or that its spending is unusual, once each.

`judging` decides and is pure; here are its disk, its Kafka and its loop. Nothing here rates or charges.
Begin with `watch` (the loop in numbered steps), then `partitions` and `judging`.
"""
