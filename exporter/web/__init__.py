"""The exporter's pages: downloads behind signed links, the state of an account's export, health and metrics.

Pages only read: nothing here changes a record, a file or a log. Begin with `pages`, which lists them.
"""
