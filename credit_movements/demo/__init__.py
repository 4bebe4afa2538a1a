"""A made-up company: its rate deck, its customers, a month of their traffic, and an oracle that knows what is right."""
