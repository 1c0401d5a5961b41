"""Explain the failures of a run: which flags cause them, and which requests the API would refuse."""
