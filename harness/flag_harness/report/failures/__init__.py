"""Explain the failures of a run: the flags that cause them, and the requests that the API would refuse."""
