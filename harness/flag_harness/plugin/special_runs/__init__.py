"""Runs of something else than the tests: the sweep of faults, and the verification of recordings."""
