"""Verdicts: whether a flag is safe to turn on, judged from repeated runs by statistical tests whose results are
valid after every run.
"""
