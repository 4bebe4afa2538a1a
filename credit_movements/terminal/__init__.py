"""Text from outside, as commands show it to a person.

Nothing here prints, and nothing of `--json` or of a file goes through it. Begin with `texts`.
"""
