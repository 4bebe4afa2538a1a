"""The composition root: settings, clients, commands, workers and the embedded stack are put together here.

Rating, sinking and exporting live in their own rooms, and nobody imports this one. Begin with `commands.main`.
"""
