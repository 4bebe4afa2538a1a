"""Object storage and the signed links to it: the files, and the small records that are the exporter's memory.

Nothing here decides what a request gets or what a file holds. Begin with `records`; `objects` is the storage below them.
"""
