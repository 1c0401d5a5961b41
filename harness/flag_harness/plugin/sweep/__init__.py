"""`--harness-sweep`: make a test item for each trouble, and run it.

`flag_harness.sweep` derives the troubles and judges the tests.
"""
