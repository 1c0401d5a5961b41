"""Private: finds the test or fixture that sent a request, and refuses requests that are sent after its end.

`transports.border` guards the routes to the network.
"""
