"""Scenarios: TOML files that define what the simulated model answers, and the selection of the turn for a request.

To add a condition to `when`: add a field to `TurnConditions` and to the table in `scenario.py`, and its check to
`_CONDITIONS` in `matching.py`. Mistakes that types cannot express are checked in `validation.py`.
"""
