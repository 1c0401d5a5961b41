"""The kinds of faults, one small file for each family."""
