"""ClickHouse for one machine: chDB, a library, behind as much of ClickHouse's HTTP interface as our clients use.

It holds no tables of ours and no rules of rating. Begin with `server`.
"""
