"""The composition root: settings, clients, commands, workers and the embedded stack are put together here.

Rating, storing and exporting live in their own rooms, and none of them imports this one. Begin with `commands.main`, then
`workers.rater`: it shows how a worker is put together.
"""
