"""The options, marks, fixtures and hook of pytest-recording and pytest-vcr, for suites written for one of them.

`flag_harness.vcr` plays and records their cassettes.
"""
