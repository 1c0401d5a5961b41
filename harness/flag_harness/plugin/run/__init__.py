"""The plugin's work for a whole run: names and claims of cassettes, misses, conflicting fixtures, the summary."""
