"""Repeated runs of tests, and what they say about flags: repetitions, reliability and verdicts."""
