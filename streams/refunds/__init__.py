"""The limit of refunds: what an adjustment may give back of the movement that it names. `limit` decides, and knows no client;
`ledger` says what a movement took, and what was given back of it before."""
