"""Answers: what the model says, as bytes with their times."""
