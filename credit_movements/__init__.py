"""The composition root: settings, the command line, and the embedded stack. Nobody imports it."""
