"""A dashboard to try the export with, as another team would build it: a page with a button, and a small backend.

It uses only what is offered to everybody: it writes `export-requests`, asks `/exports/<account>` with the token, which no
browser ever gets, reads what `spending` and `balance` say, and explains a movement as the command does. There is no log-in:
`up` alone serves it, on 127.0.0.1. Begin with `pages`.
"""
