"""Verdicts: whether a flag is safe to turn on, judged from repeated runs by tests that are valid at every look."""
