"""What keeps secrets out of reports and what normalises requests."""
