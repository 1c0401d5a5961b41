"""The loopback server."""
