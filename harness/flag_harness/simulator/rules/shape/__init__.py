"""The shape of request bodies."""
