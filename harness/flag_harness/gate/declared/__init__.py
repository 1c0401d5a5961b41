"""The files that the gate declares: their patterns, hashes and imports."""
