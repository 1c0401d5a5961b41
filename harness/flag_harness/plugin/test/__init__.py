"""What belongs to one test: its fixtures, traffic, checks and row."""
