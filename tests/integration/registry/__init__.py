"""Setup and workers against a schema registry as production has it."""
