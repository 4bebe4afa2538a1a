"""What a rater warns of: clocks that disagree, floods of dead letters, destinations that are no numbers.

A watch changes no outcome. Only `clock` may end the rater. Clocks are parameters.
Begin with `clock`.
"""
