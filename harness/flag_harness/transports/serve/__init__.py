"""The loopback server, which answers real HTTP requests on this machine from an upstream."""
