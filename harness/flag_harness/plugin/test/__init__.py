"""The plugin's hooks for a single test, and what they use: fixtures, traffic, checks, faults, and the test's row of the
run record.
"""
