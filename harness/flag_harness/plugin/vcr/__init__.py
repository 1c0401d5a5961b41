"""The options, marks, fixtures and hook of pytest-recording, for suites that are written for it."""
