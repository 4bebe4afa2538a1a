"""Asking for an export from the command line, waiting for its outcome, and showing its progress.

It does what any other client could do: it writes a request and reads the notification. Begin with `request`.
"""
