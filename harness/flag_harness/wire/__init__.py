"""What goes over the wire, as values: requests, timed responses, server-sent events, messages, JSON."""
