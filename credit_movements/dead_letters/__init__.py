"""Dead letters: what they are, listing them, and sending them once more."""
