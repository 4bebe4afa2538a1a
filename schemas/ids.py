"""What the contract says of ids (its section 2)."""

# Of all ids but those of events and requests, which are UUIDs; counted in Unicode characters, never trimmed.
MOST_ID_CHARACTERS = 128
