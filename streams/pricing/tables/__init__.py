"""What the tables of prices are made of: columns that grow, and an index from keys to rows.

Nothing here knows what a rate or a plan is. Begin with `growing`.
"""
