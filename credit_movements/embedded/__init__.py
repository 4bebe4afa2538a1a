"""The embedded stack: real servers for one machine, so that nothing has to be installed to try the system.

A Kafka-compatible broker (Tansu), ClickHouse (chDB behind HTTP) and the read side of a schema registry. Each is a process of
its own, listens on 127.0.0.1 alone, and ends with the process that started it. No worker may know of it: only settings tell
workers where servers are. Begin with `services`.
"""
