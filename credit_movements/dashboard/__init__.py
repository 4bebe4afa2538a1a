"""A dashboard to try the export with, as another team would build it: a page with a button, and a small backend.

It knows the exporter only by its public sides: it writes `export-requests`, and asks `/exports/<account>` with the token,
which no browser ever gets. There is no log-in: `up` alone serves it, on 127.0.0.1.
"""
