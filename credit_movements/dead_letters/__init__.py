"""Dead letters: reading them, listing them, decoding one, and sending them once more.

The raters write them and `schemas.dead_letters` names the reasons; here nothing decides what becomes one. Begin with `reading`.
"""
