"""What concerns one test: its fixtures, traffic, checks, faults and row of the run record."""
