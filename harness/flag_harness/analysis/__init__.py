"""Analysis of recorded traffic and run records. Pure functions: no files, no network, no clock.

A new figure about requests and answers goes to `metrics.py`; it takes values and returns a value, so that the plugin,
the commands and the reports can all use it.
"""
