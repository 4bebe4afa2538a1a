"""Whether a request gets an export: it is new, known, or a repeat of an earlier one of its account.

Only here is a request accepted. Nothing here makes a file or publishes anything. Begin with `admission`.
"""
