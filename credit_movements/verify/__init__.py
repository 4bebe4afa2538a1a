"""`credit-movements verify`: a CSV held against its manifest, by code that shares nothing with what wrote the two.

It needs no server and no settings, and may not import the exporter. Begin with `verification`.
"""
