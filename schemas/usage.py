"""What a usage event may say beside what it costs (docs/reference/CONTRACT.md, section 2)."""

# Seen from the account.
DIRECTIONS = ("outbound", "inbound")
# So much of a rate's destination_name a movement carries.
MOST_NAME_CHARACTERS = 128
