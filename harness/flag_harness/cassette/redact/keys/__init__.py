"""Recognise API keys by the shapes that their providers document, and by the names before them."""
