"""Questions to ClickHouse: an account's movements for an export, and its balance.

It writes nothing, and never imports the sink's loop: the exporter reads through here. Begin with `movements`.
"""
