"""Limits of a run or a test: the age of recordings, and the tokens, time and cost of requests."""
