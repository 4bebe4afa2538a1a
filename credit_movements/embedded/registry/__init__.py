"""The read side of a schema registry for one machine; it serves the schemas that stand in `schemas`.

It registers nothing: production uses a real registry. Begin with `server`.
"""
