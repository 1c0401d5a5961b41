"""The rules of the gate. The result of each is `pass`, `fail`, or `not shown` by the evidence.

A new rule is a function `judge_...` in the module for its subject, and an entry in `CANDIDATE_RULES` of `judging.py`.
"""
