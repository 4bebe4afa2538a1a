"""Google's storage, by the emulator fake-gcs-server and a front that speaks Google's XML API, for the tests."""
