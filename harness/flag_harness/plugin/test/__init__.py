"""The plugin's work for a single test: fixtures, traffic, checks, faults and its row of the run record."""
