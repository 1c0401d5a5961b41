"""The loopback server, which serves an upstream over real HTTP on this machine."""
