"""`up`: which servers and workers stand in which stage, with which ports and secrets.

How a process is started and kept running is not said here but in `supervision`. Begin with `up`.
"""
