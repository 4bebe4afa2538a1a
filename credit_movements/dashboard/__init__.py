"""A dashboard to try the export with, as another team would build it: a page with a button, and a small backend.

It uses only what the exporter offers to everybody: it writes `export-requests`, and asks `/exports/<account>` with the token,
which no browser ever gets. There is no log-in: `up` alone serves it, on 127.0.0.1. Begin with `pages`.
"""
