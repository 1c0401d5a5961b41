"""Analysis of recorded traffic, run records and the text of source code.

All functions are pure: they use no files, no network and no clock.

A new figure about requests and answers is a function in `metrics.py` that takes and returns values, so that the plugin,
the commands and the reports can all use it.
"""
