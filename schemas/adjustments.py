"""What an adjustment may say (docs/reference/CONTRACT.md, section 2)."""

# The sign of the amount is the publisher's: a refund mostly gives credit back, a chargeback mostly takes it.
KINDS = ("refund", "chargeback", "correction")
# For people, and for the CSV's reader who asks. A record holds it easily.
MOST_REASON_CHARACTERS = 1024
