"""The whole chain on Apache Kafka as production has it: three brokers, TLS, passwords, ACLs, each worker a user of its own."""
