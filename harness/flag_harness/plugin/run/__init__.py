"""What concerns a whole run: names and claims of cassettes, misses, rival fixtures, the summary."""
