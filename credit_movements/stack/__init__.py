"""`up`: which services stand in which stage, with which ports and secrets.

How a process is started and kept running is told in `supervision`. Begin with `up`.
"""
