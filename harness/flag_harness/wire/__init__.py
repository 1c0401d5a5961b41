"""HTTP traffic as values: requests, timed responses, server-sent events, messages and JSON."""
