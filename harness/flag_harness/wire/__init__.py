"""What goes over the wire, as values: requests, responses with their times, server-sent events, assembled messages."""
