"""Repeat tests, and judge flags by the repetitions: reliability and verdicts."""
