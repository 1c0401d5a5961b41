"""`--harness-sweep`: make test items that run the tests under troubles (such as faults), and report the results.

`flag_harness.sweep` derives the troubles and judges the tests.
"""
