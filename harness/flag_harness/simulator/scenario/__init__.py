"""Scenarios: read from TOML, checked, and matched to requests."""
