"""Find out what flags change, by comparing pairs of runs of the same test that differ in one flag."""
