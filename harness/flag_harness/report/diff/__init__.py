"""The comparison of two runs: what `flag-harness report diff` says."""
