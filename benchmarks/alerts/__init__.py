"""How well a watch finds fraud, how often it is wrong, and how fast it judges: a month of the made-up company, without Kafka.

`month` makes the month; `found` says what was found. Begin with `__main__`. Nothing here is production code.
"""
