"""Whether a request gets an export: it is new, known, or a repeat of an earlier one of its account.

Only here is a request accepted. How its file is made and how its end is told are others' business. Begin with `admission`.
"""
