"""The conservation law, proved from the topics and ClickHouse: consumed = movements + duplicates + dead letters."""
