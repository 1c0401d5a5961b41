"""Keeps secrets out of recordings and reports, and collects the normalisers of requests."""
