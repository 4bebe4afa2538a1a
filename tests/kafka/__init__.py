"""Apache Kafka itself, for the tests."""
