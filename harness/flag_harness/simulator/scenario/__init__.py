"""Scenarios: TOML files that say what the simulated model answers, and the choice of the turn that matches a request.

To add a condition to `when`: add a field to `TurnConditions` and to the table in `scenario.py`, and its check to
`_CONDITIONS` in `matching.py`. A mistake that types cannot express gets a check in `validation.py`.
"""
