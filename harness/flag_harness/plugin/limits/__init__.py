"""Limits of a run or a test: the age of recordings, what requests use, and what they cost."""
