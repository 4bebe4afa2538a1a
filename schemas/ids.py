"""The limit of ids (docs/reference/CONTRACT.md, section 2)."""

# Counted in Unicode characters, never trimmed. It is not for the ids of events and requests: they are UUIDs.
MOST_ID_CHARACTERS = 128
