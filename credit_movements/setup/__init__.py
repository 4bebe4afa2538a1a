"""What must be there before a worker starts: topics, subjects, tables. `setup` makes them, workers check them.

Nothing is deleted or shrunk here. Begin with `provision`.
"""
