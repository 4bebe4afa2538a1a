"""The audit: a running system doubts itself. Every event is one movement, duplicate or dead letter, and ClickHouse has it.

It computes amounts anew and shares no rating with `streams`. It reads only, and mends nothing. Begin with `auditor`.
"""
