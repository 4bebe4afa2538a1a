"""A schema registry as production has it, for the tests: Apicurio, and a front with TLS and a password before it."""
