"""ClickHouse for tests: databases of their own, on chDB or a server, and chDB with a cluster or with users."""
