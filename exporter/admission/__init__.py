"""Whether a request gets an export: it is new, known, or a repeat of an earlier one of its account.

Only this folder accepts requests. It makes no file and publishes nothing. Begin with `admission`.
"""
