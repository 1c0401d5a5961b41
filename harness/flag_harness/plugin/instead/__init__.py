"""Modes that run something in place of the tests: the sweep and the verification."""
