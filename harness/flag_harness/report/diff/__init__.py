"""The comparison of two runs, which `flag-harness report diff` prints."""
