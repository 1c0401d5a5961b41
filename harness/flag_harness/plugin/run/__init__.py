"""Hooks of a whole run: cassettes and their names, misses, the run record, what flags changed or broke, the summary."""
