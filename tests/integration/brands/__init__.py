"""Brands that share one Kafka and one registry, each with a prefix of its own."""
