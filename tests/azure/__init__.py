"""Azure's blob storage, as its maker's emulator has it, for the tests."""
