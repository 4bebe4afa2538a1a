"""The command line: a module for each group of commands, which reads arguments, calls the work, and prints.

The work itself lives in the other folders. Heavy libraries are imported inside a command. Begin with `main`.
"""
