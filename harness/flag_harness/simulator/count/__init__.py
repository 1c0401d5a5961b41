"""What the API counts: tokens, cache reads and writes, limits."""
