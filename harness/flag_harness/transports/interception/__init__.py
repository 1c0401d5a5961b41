"""Private: answers the clients that the code under test makes itself."""
