"""Private: answers requests of the HTTP clients that the code under test makes itself."""
