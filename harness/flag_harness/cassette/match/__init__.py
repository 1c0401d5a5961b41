"""Which recorded request equals a new one, and what differs if none does."""
