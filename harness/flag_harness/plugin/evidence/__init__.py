"""Keeps what failed tests sent and received beside the run record, and runs such tests again from it."""
