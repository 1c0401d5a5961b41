"""Repeat tests, and print the verdicts of flags. `analysis.verdict` has the statistics."""
