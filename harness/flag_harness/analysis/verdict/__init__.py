"""Verdicts: whether a flag is safe to turn on, judged from repeated runs by tests that may be looked at after every
run.
"""
