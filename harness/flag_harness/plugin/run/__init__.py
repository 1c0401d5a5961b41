"""Hooks that collect something over all tests of a run, and report it at its end: the cassettes that were used, misses,
the run record, what flags changed or broke, and the summary.
"""
