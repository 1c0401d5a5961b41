"""The kinds of faults, with one module for each family."""
