"""The records that the exporter publishes: the notification that ends an export, and the dead letter of a record that is no
request.

Nothing here decides about a request or makes a file. Begin with `conclusion`.
"""
