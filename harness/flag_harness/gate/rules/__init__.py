"""The rules of the gate. Each passes, fails, or is not shown by the evidence.

A new rule is a function `judge_...` in the module for its subject, and an entry in `RULES` of `judging.py`.
"""
