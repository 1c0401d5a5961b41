"""Repeat tests, and print whether each flag is safe. The statistics are in `analysis.verdict`."""
