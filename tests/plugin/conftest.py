"""What is no test of this project's own."""

collect_ignore = ["vcr_suite"]
