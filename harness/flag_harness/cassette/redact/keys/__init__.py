"""Recognise API keys by the shapes that their providers document, and by the names before them.

The pattern of a new provider is an entry in `shapes.py`, or in `rarer_keys.py` if few people use that provider. If its
keys are not one long word, `hints.py` needs a name that stands before them.
"""
