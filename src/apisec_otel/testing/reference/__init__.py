"""Everything the engine does, done again in plain Python, row by row: the oracle. The product never imports it."""
