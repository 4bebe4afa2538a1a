"""Rating: from batches of usage events and top-ups to signed credit movements and named refusals."""
