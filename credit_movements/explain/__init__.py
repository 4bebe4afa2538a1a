"""Why a movement is what it is: the event, what became of it, and its price step by step.

The command `explain` and the dashboard show it.

Nothing here rates: the steps come from the rater's own functions (`streams.pricing`) and the published prices. It reads, and
writes nothing anywhere. Begin with `explainer`.
"""
