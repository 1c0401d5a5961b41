"""The loopback server: an upstream over real HTTP."""
