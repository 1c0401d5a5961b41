"""Hooks of a whole run: names and use of cassettes, misses, the run record, flag effects and blame, the summary."""
