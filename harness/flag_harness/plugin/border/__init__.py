"""Private: finds the test or fixture that a request belongs to, and refuses its requests after its end.

`transports.border` guards the routes to the network.
"""
