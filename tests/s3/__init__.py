"""An S3 server itself, for the tests."""
