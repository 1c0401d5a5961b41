"""Private: find the recorded request that matches a new one, and report what differs if none does."""
