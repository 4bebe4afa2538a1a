"""A made-up company: its rate deck, its customers, a month of their traffic, and a judge who knows what is right."""
